"""Messages to real HTTP and SMTP servers: each event once, retried, held in quiet hours, without secrets."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_state import JobState
from app.node.send.message_events import put_ended, put_outcome, put_urgent
from app.node.send.message_outbox import Message, TargetStatus, outbox, put, status_of, waiting
from app.node.send.message_sending import PATIENCE, MessagePump, send, send_test
from app.node.send.message_texts import Text
from app.node.send.message_watches import DiskWatch, PeerWatch
from app.node.send.notices import announce_finding
from app.node.send.peer_states import PeerStates
from app.node.settings.configuration import NodeSettings, RoutingRule
from app.node.settings.messages import MessageSettings, MessageTarget
from app.node.settings.peer import Peer
from app.node.storage.disk import MEGABYTE, Disk
from app.node.studies.retention import sweep
from operators.errors import OutputError, TransientError, UsageError
from tests.service.app.node.send.test_notices import Hook
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom import phantoms
from tests.support.node.node_processes import free_port, until
from tests.support.node.queue_cases import SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.node.study_cases import jobs, quiet, sent

JOB = "1.2.3-0123456789abcdef"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FRACTURE = {"series": [{"finding": {"code": "fracture", "probability": 0.93, "threshold": ""}}]}
EVERY_DAY = {"quiet_hours": "22:00-07:00"}


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Mailbox:
    """Keeps the mails of a real SMTP server."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Takes one mail."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


def node(folder: Path, url: str = "json://127.0.0.1:1/", **messages: Any) -> NodeSettings:
    given = {"targets": {"desk": {"url": url}}} | messages
    return NodeSettings.model_validate({"data": folder, "messages": given})


def of(hook: Hook) -> str:
    return f"json://me:s3cret@127.0.0.1:{hook.server_port}/hook?token=s3cret"


def failed(job_id: str = JOB, completed_ms: int = 2_000) -> JobState:
    return JobState(
        job_id, "failed", "worker_died", "expected <bones>, got {none}", completed_ms=completed_ms
    )


def at(hour: int, day: int = 1) -> datetime:
    """A moment of this machine's clock."""
    return datetime(2026, 6, day, hour).astimezone()


def test_each_event_of_a_job_is_told_once_and_names_no_patient(hook: Hook, tmp_path: Path) -> None:
    here = node(tmp_path, of(hook))
    refused = replace(failed("1.2.4-0123456789abcdef"), state="refused", code="no_anatomy")
    for _ in range(2):
        put_outcome(here, {"job_id": JOB}, FRACTURE)
        put_urgent(here, JobState(JOB, "queued"))
        put_ended(here, [failed(), refused], 1_000)
        MessagePump(here).look()
    subjects = sorted(body["title"] for body in hook.bodies)
    assert subjects == [
        "OSTEON: a result shows a fracture",
        "OSTEON: a study failed",
        "OSTEON: a study was refused",
        "OSTEON: an urgent study was received",
    ]
    positive = next(body["message"] for body in hook.bodies if "fracture" in body["title"])
    assert "fracture found (probability 93%)" in positive
    assert "not for diagnosis" in positive
    assert JOB in positive
    assert "expected <bones>, got {none}" in next(b["message"] for b in hook.bodies if "failed" in b["title"])
    put_ended(here, [failed(completed_ms=5_000)], 1_000)  # tried again, and failed again
    MessagePump(here).look()
    assert len(hook.bodies) == 5


def test_jobs_from_before_messages_were_set_and_results_without_fracture_are_no_news(tmp_path: Path) -> None:
    here = node(tmp_path)
    put_ended(here, [failed(completed_ms=900)], 1_000)
    put_outcome(here, {"job_id": JOB}, {"series": [{"finding": {"code": "no_fracture", "probability": 0.1}}]})
    put_outcome(here, {"job_id": JOB}, {"series": []})
    assert waiting(tmp_path, "desk") == []


def test_dispatcher_worker_and_sweep_leave_messages_and_the_study_goes_on(tmp_path: Path) -> None:
    urgent = RoutingRule(modality="CT", urgency="urgent")
    messages = MessageSettings.model_validate({"targets": {"desk": {"url": "json://127.0.0.1:1/"}}})
    here = Node(tmp_path, quiet_s=0, rules=(urgent,), messages=messages)
    sweep(here.settings, here.client, 0)
    sent(here)
    quiet(here, 0)
    found = SEGMENTED | {"finding": FRACTURE["series"][0]["finding"]}
    telling = partial(announce_finding, here.settings)
    with worked_off(here.settings, ScriptedSegmenter(lambda: found), announce=telling):
        until(lambda: any(job.state == "failed" for job in jobs(here)))
    told = {message.event for _, message in waiting(here.settings.data, "desk")}
    assert told == {"urgent", "positive"}
    sweep(here.settings, here.client, 0)
    codes = {message.event: message.code for _, message in waiting(here.settings.data, "desk")}
    assert codes == {"urgent": "", "positive": "fracture", "failed": "no_destination"}


def test_a_target_is_told_only_of_its_events(hook: Hook, tmp_path: Path) -> None:
    targets = {
        "desk": {"url": of(hook), "events": ["disk"]},
        "pager": {"url": of(hook), "events": ["urgent"]},
    }
    here = node(tmp_path, targets=targets)
    put_urgent(here, JobState(JOB, "queued"))
    put_ended(here, [failed()], 1_000)
    assert (len(waiting(tmp_path, "desk")), len(waiting(tmp_path, "pager"))) == (0, 1)


def test_what_is_not_taken_is_tried_again_with_longer_pauses_and_others_do_not_wait(
    hook: Hook, tmp_path: Path
) -> None:
    targets = {"desk": {"url": f"json://127.0.0.1:{free_port()}/"}, "pager": {"url": of(hook)}}
    here, clock, counts = node(tmp_path, targets=targets), [NOON], list[tuple[str, str]]()
    pump = MessagePump(here, count=lambda *each: counts.append(each), now=lambda: clock[0])
    put_urgent(here, JobState(JOB, "queued"))
    for seconds in (0, 1, 2, 3, 6, 7):
        clock[0] = NOON + timedelta(seconds=seconds)
        pump.look()
    assert len(hook.bodies) == 1
    assert counts == [("desk", "failed"), ("pager", "delivered"), ("desk", "failed"), ("desk", "failed")]
    status = status_of(tmp_path, "desk")
    assert (status.waiting, status.state) == (1, "failed")
    assert status.sentence == "expected the message target desk to take a message, it did not"


def test_a_message_survives_the_process_and_is_not_sent_again(hook: Hook, tmp_path: Path) -> None:
    here = node(tmp_path, of(hook))
    hook.statuses = [503]
    put_urgent(here, JobState(JOB, "queued"))
    MessagePump(here).look()
    assert hook.bodies == []
    MessagePump(here).look()  # as after kill -9: nothing is kept in memory
    MessagePump(here).look()
    assert len(hook.bodies) == 1
    assert status_of(tmp_path, "desk").state == "delivered"


def test_one_that_is_not_taken_for_two_days_is_given_up(tmp_path: Path) -> None:
    here, clock, counts = node(tmp_path), [datetime.now(UTC)], list[tuple[str, str]]()

    def refuse(*_: object) -> None:
        raise TransientError("expected an answer", code="not_sent")

    pump = MessagePump(here, refuse, lambda *each: counts.append(each), lambda: clock[0])
    put_urgent(here, JobState(JOB, "queued"))
    pump.look()
    clock[0] += PATIENCE + timedelta(seconds=1)
    pump.look()
    assert counts == [("desk", "failed"), ("desk", "lost")]
    assert status_of(tmp_path, "desk") == TargetStatus(
        "desk", 0, clock[0].isoformat(timespec="seconds"), "lost", "expected an answer"
    )


def test_messages_of_quiet_hours_are_sent_together_at_their_end(tmp_path: Path) -> None:
    sent: list[Text] = []
    here, clock = node(tmp_path, **EVERY_DAY), [at(23)]
    pump = MessagePump(here, lambda _n, _t, text: sent.append(text), now=lambda: clock[0])
    for number, hour in enumerate((21, 23, 23)):
        put(here, Message("failed", f"study {number} failed", "no", at(hour).isoformat()), f"x_{number}")
    put(here, Message("disk", "the disk is full", "no", at(23).isoformat()), "disk_1")
    pump.look()
    assert [text.subject for text in sent] == ["OSTEON: the disk is full"]
    clock[0] = at(6, day=2)
    pump.look()
    assert len(sent) == 1
    clock[0] = at(7, day=2)
    pump.look()
    assert [text.subject for text in sent[1:]] == [
        "OSTEON: 2 messages from quiet hours",
        "OSTEON: study 0 failed",
    ]
    assert "study 1 failed" in sent[1].body
    assert "study 2 failed" in sent[1].body
    pump.look()
    assert len(sent) == 3


def test_failures_may_break_through_and_one_message_alone_is_sent_as_it_is(tmp_path: Path) -> None:
    sent: list[Text] = []
    here, clock = node(tmp_path, quiet_hours="22:00-07:00", break_quiet=["failed"]), [at(23)]
    pump = MessagePump(here, lambda _n, _t, text: sent.append(text), now=lambda: clock[0])
    put(here, Message("failed", "a study failed", "no", at(23).isoformat()), "x_1")
    put(here, Message("disk", "the disk is full", "no", at(23).isoformat()), "disk_1")
    pump.look()
    assert [text.subject for text in sent] == ["OSTEON: a study failed"]
    clock[0] = at(8, day=2)
    pump.look()
    assert [text.subject for text in sent] == ["OSTEON: a study failed", "OSTEON: the disk is full"]


def test_a_template_may_name_the_patient_and_the_outbox_never_does(hook: Hook, tmp_path: Path) -> None:
    text = "{patient_name} ({patient_id}, {accession_number}): {what}\n{sentence}"
    here = node(tmp_path, of(hook), patient=True, templates={"positive": text})
    folder = job_folder(tmp_path, JOB).input

    def edit(dataset: Any, _number: int = 0) -> None:
        dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = "Doe^Jane", "P-4711", "A-1"

    phantoms.write_ct(
        folder,
        phantoms.position_volume((8, 8, 1), phantoms.axial_affine((3, 3, 3))),
        phantoms.axial_affine((3, 3, 3)),
        edit=edit,
    )
    put_outcome(here, {"job_id": JOB}, FRACTURE)
    for path in outbox(tmp_path).rglob("*"):
        assert not path.is_file() or "Doe" not in path.read_text(encoding="utf-8")
    MessagePump(here).look()
    assert hook.bodies[0]["title"] == "Doe^Jane (P-4711, A-1): a result shows a fracture"
    for path in outbox(tmp_path).rglob("*"):
        assert not path.is_file() or "Doe" not in path.read_text(encoding="utf-8")
    put_outcome(here, {"job_id": "1.9-0123456789abcdef"}, FRACTURE)  # its files are gone
    MessagePump(here).look()
    assert hook.bodies[1]["title"] == "(, ): a result shows a fracture"


def test_mails_arrive_as_text_and_no_value_adds_a_header(tmp_path: Path) -> None:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        url = f"mailto://127.0.0.1:{server.port}?from=osteon@a.example&to=b@c.example&mode=insecure"
        here = node(tmp_path, url, templates={"failed": "{sentence}\n{what} <b>{code}</b>"})
        put_ended(here, [replace(failed(), sentence="no\r\nBcc: evil@x.example")], 1_000)
        MessagePump(here).look()
        send_test("desk", here)
    finally:
        server.stop()
    first, test = box.mails
    assert first["To"] == "b@c.example"
    assert "Bcc" not in first
    assert first["Subject"] == "no Bcc: evil@x.example"
    assert "a study failed" in first.as_string()
    assert "html" not in first.get_content_type()  # or else what a sentence quotes would be markup
    assert test["Subject"] == "OSTEON: test"


def test_no_secret_is_in_a_log_a_status_or_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = node(tmp_path, f"json://me:s3cret@127.0.0.1:{free_port()}/s3cret?token=s3cret")
    put_urgent(here, JobState(JOB, "queued"))
    MessagePump(here).look()
    for url in (here.messages.targets["desk"].url if here.messages else "", "nope://s3cret"):
        with pytest.raises((OutputError, TransientError)) as caught:
            send("desk", MessageTarget(url=url), Text("a", "b"))
        assert "s3cret" not in str(caught.value)
    kept = "".join(path.read_text("utf-8") for path in outbox(tmp_path).rglob("*") if path.is_file())
    out, err = capfd.readouterr()
    assert "s3cret" not in kept + out + err


def test_an_address_may_be_in_a_file_that_is_read_each_time(hook: Hook, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    here = node(tmp_path, targets={"desk": {"url_file": str(secret)}})
    with pytest.raises(OutputError, match="url_file"):
        send_test("desk", here)
    secret.write_text(f"{of(hook)}\n", encoding="utf-8")
    send_test("desk", here)
    assert len(hook.bodies) == 1
    with pytest.raises(UsageError, match="desk"):
        send_test("other", here)


def test_a_disk_that_fills_and_empties_is_told_of_once_each_across_restarts(tmp_path: Path) -> None:
    free = [900 * MEGABYTE]
    here = node(tmp_path)

    def look() -> None:
        disk = Disk(tmp_path, 2000 * MEGABYTE, free_bytes=lambda _: free[0])
        disk.look()
        DiskWatch(here, disk).look()

    for megabytes in (5000, 900, 800, 5000, 5000, 700):
        free[0] = megabytes * MEGABYTE
        look()
    assert [message.what for _, message in waiting(tmp_path, "desk")] == [
        "the disk is full, nothing is received",
        "the disk has room again",
        "the disk is full, nothing is received",
    ]


def test_a_peer_is_down_after_two_misses_and_its_return_is_told(tmp_path: Path) -> None:
    peer = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
    here = node(tmp_path).model_copy(update={"peers": (peer,)})
    answers = iter([True, False, True, False, False, False, True])

    def ask(*_: object) -> None:
        if not next(answers):
            raise TransientError("expected pacs to answer", code="unreachable")

    watch = PeerWatch(here, PeerStates(here, ask))
    for _ in range(7):
        watch.look()
    told = [(message.what, message.peer, message.state) for _, message in waiting(tmp_path, "desk")]
    assert told == [("pacs does not answer", "pacs", "down"), ("pacs answers again", "pacs", "well")]


def test_an_outbox_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outbox(tmp_path).write_text("not a folder", encoding="utf-8")
    here = node(tmp_path)
    put_outcome(here, {"job_id": JOB}, FRACTURE)
    put_urgent(here, JobState(JOB, "queued"))
    put_ended(here, [failed()], 1_000)
    assert "message" in "".join(capfd.readouterr())


def test_what_was_sent_of_removed_jobs_is_forgotten(hook: Hook, tmp_path: Path) -> None:
    here = node(tmp_path, of(hook))
    put_ended(here, [failed()], 1_000)
    MessagePump(here).look()
    put_ended(here, [], 1_000)
    assert [path.name for path in (outbox(tmp_path) / "desk").iterdir()] == ["status"]


def test_a_damaged_message_does_not_hold_up_the_others(hook: Hook, tmp_path: Path) -> None:
    here = node(tmp_path, of(hook))
    put_urgent(here, JobState(JOB, "queued"))
    (path,) = [path for path, _ in waiting(tmp_path, "desk")]
    shutil.copy(path, path.with_name(f"failed_x{path.suffix}"))
    path.with_name("failed_x.json").write_text(json.dumps({"event": 1})[:-3], encoding="utf-8")
    MessagePump(here).look()
    assert len(hook.bodies) == 1
