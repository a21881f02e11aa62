"""Reports by MLLP and FHIR to receivers that accept, refuse, break off, or say nothing; and by the queue."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.node.queue.job import Json, job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.send.peer_states import echo
from app.node.send.sender import attempt
from app.node.send.withdrawal import WITHDRAWN, WITHDRAWN_AT
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.watch.audit import audit_trail
from operators.errors import TransientError
from tests.service.app.node.studies.test_retention import STUDY as RECEIVED
from tests.service.app.node.studies.test_retention import Node
from tests.service.app.web.test_served_page import certificate as self_signed
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.node.report_cases import (
    JOB,
    FhirServer,
    MllpReceiver,
    acknowledgement,
    fhir_server,
    mllp_receiver,
    receiver,
    report_file,
    reported_job,
)
from tests.support.node.study_cases import quiet, sent

OK = acknowledgement("AA")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Json]]:
    data = tmp_path_factory.mktemp("data")
    return data, reported_job(data)


@pytest.fixture
def ris() -> Iterator[MllpReceiver]:
    with mllp_receiver() as made:
        yield made


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    with fhir_server() as made:
        yield made


def delivered(job: tuple[Path, list[Json]], peer: Peer, **more: Any) -> tuple[str, str, str]:
    """State, code and sentence of one attempt."""
    data, files = job
    settings = NodeSettings(data=data, peers=(peer,), network_s=1)
    delivery = {"job_id": JOB, "peer": "ris", "files": files, "captures": []} | more
    done = attempt(delivery, settings, audit_trail(settings))
    return done.state, done.code, done.sentence


def hl7(ris: MllpReceiver, **more: Any) -> Peer:
    return receiver(hl7=f"mllp://127.0.0.1:{ris.port}", **more)


def test_a_message_that_is_accepted_is_delivered_and_in_the_audit_trail(
    job: tuple[Path, list[Json]], ris: MllpReceiver
) -> None:
    assert delivered(job, hl7(ris)) == ("delivered", "", "")
    assert delivered(job, hl7(ris)) == ("delivered", "", "")
    one, again = ris.messages
    assert one.startswith(b"\x0bMSH|^~\\&|OSTEON|OSTEON|")
    # The same control id, by which a receiver knows a repetition
    assert one.split(b"|")[9] == again.split(b"|")[9]
    audit = (job[0] / "audit.xml").read_text()
    assert audit.count('originalText="Export"') == 2
    assert "AETITLES=ris" in audit
    assert "Müller" not in audit


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (acknowledgement("CA"), "delivered", ""),
        (acknowledgement("AE"), "failed", "peer_refused"),
        (acknowledgement("AE", "204"), "failed", "peer_refused"),
        (acknowledgement("AE", "207"), "transient", "peer_rejected"),
        (acknowledgement("AR"), "transient", "peer_rejected"),
        (acknowledgement("CR", "200"), "transient", "peer_rejected"),
        (acknowledgement("AA", control_id="another"), "transient", "bad_answer"),
        (acknowledgement("??"), "transient", "bad_answer"),
        (lambda message: [OK(message)[0][1:]], "transient", "bad_answer"),
        (lambda message: [OK(message)[0] + b"more"], "transient", "bad_answer"),
        (lambda _: [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "transient", "bad_answer"),
        (lambda _: [b"\x0b" + b"x" * 100_000], "transient", "bad_answer"),
        (lambda _: [b"\x0b\xff\xfe\x1c\r"], "transient", "bad_answer"),
        (lambda message: [OK(message)[0][:-2], b""], "transient", "no_answer"),
        (lambda message: [bytes([each]) for each in OK(message)[0]], "delivered", ""),
        (lambda _: [], "transient", "no_answer"),
    ],
)  # fmt: skip
def test_each_answer_has_its_outcome(
    job: tuple[Path, list[Json]], ris: MllpReceiver, answer: Any, state: str, code: str
) -> None:
    ris.answers = [answer]
    done = delivered(job, hl7(ris))
    assert done[:2] == (state, code)
    # What a receiver says may quote the patient
    assert "Error" not in done[2]


def test_a_receiver_that_is_not_there_is_tried_again(job: tuple[Path, list[Json]]) -> None:
    peer = receiver(hl7="mllp://127.0.0.1:1")
    assert delivered(job, peer)[:2] == ("transient", "unreachable")
    with pytest.raises(TransientError, match="is it running there"):
        echo(peer, NodeSettings(data=job[0], network_s=1))


def test_tls_trusts_the_authority_of_the_settings_and_no_other(
    job: tuple[Path, list[Json]], tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with mllp_receiver(context) as ris:
        address = f"mllps://localhost:{ris.port}"
        assert delivered(job, receiver(hl7=address, authority=str(certificate))) == ("delivered", "", "")
        assert delivered(job, receiver(hl7=address))[:2] == ("transient", "unreachable")
        assert delivered(job, receiver(hl7=address, authority="/none"))[0] == "failed"


def test_a_transaction_is_delivered_with_the_token(
    job: tuple[Path, list[Json]], ehr: FhirServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    peer = receiver(fhir=ehr.url, token_file=str(token))
    assert delivered(job, peer)[:2] == ("transient", "no_token")
    token.write_text("t0ken\n")
    assert delivered(job, peer) == ("delivered", "", "")
    assert delivered(job, peer) == ("delivered", "", "")
    assert ehr.authorizations == ["Bearer t0ken"] * 2
    first, again = ehr.bundles
    # Updates of the same identifiers: nothing is there twice
    assert [entry["request"] for entry in first["entry"]] == [entry["request"] for entry in again["entry"]]
    echo(peer, NodeSettings(data=job[0], network_s=1))


WRITTEN = {"response": {"status": "201 Created"}}


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        ((201, {"entry": [WRITTEN, {"response": {"status": "200 OK"}}, WRITTEN]}), "delivered", ""),
        ((200, {"entry": [WRITTEN]}), "failed", "peer_refused"),
        ((200, {"entry": [WRITTEN, WRITTEN, {"response": {"status": "422"}}]}), "failed", "peer_refused"),
        ((200, []), "failed", "peer_refused"),
        ((204, {}), "failed", "peer_refused"),
        ((301, {}), "failed", "peer_refused"),
        ((307, {}), "failed", "peer_refused"),
        ((400, {"issue": [{"diagnostics": "Error Müller"}]}), "failed", "peer_refused"),
        ((412, {}), "failed", "peer_refused"),
        ((422, {}), "failed", "peer_refused"),
        ((401, {}), "transient", "http_401"),
        ((404, {}), "transient", "http_404"),
        ((429, {}), "transient", "http_429"),
        ((500, {}), "transient", "http_500"),
        ((503, {}), "transient", "http_503"),
    ],
)
def test_each_status_has_its_outcome(
    job: tuple[Path, list[Json]], ehr: FhirServer, answer: Any, state: str, code: str
) -> None:
    ehr.answers = [answer]
    done = delivered(job, receiver(fhir=ehr.url))
    assert done[:2] == (state, code)
    assert "Error" not in done[2]
    assert len(ehr.bundles) == 1


def test_a_study_without_a_patient_id_is_reported_to_nobody(tmp_path: Path, ehr: FhirServer) -> None:
    job = tmp_path, reported_job(tmp_path, PatientID="")
    assert delivered(job, receiver(fhir=ehr.url))[:2] == ("failed", "no_patient_id")
    assert ehr.bundles == []


def test_a_report_that_was_altered_is_not_sent(tmp_path: Path, ris: MllpReceiver) -> None:
    job = tmp_path, reported_job(tmp_path)
    path = job_folder(tmp_path, JOB).output / job[1][0]["file"]
    path.write_text(path.read_text().replace("2 fragments", "3 fragments"))
    assert delivered(job, hl7(ris))[:2] == ("failed", "altered")
    assert ris.messages == []


def test_results_are_withdrawn_at_both(
    job: tuple[Path, list[Json]], ris: MllpReceiver, ehr: FhirServer
) -> None:
    gone = {WITHDRAWN_AT: "2026-03-05T00:00:00+00:00"}
    assert delivered(job, hl7(ris), **gone)[:2] == ("delivered", WITHDRAWN)
    assert delivered(job, receiver(fhir=ehr.url), **gone)[:2] == ("delivered", WITHDRAWN)
    assert b"|||||W\r" in ris.messages[0]
    assert {each["resource"]["status"] for each in ehr.bundles[0]["entry"]} == {"entered-in-error"}


def test_a_jobs_report_is_sent_by_the_queue_and_again_after_failures(
    tmp_path: Path, ris: MllpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.queue.pauses.FIRST_PAUSE_S", 0.05)
    here = Node(tmp_path, quiet_s=0, peers=(hl7(ris),))
    sent(here)
    quiet(here, 0)
    ris.answers = [lambda _: [b"?"], acknowledgement("AR")]
    folder = job_folder(here.settings.data, list_jobs(here.client)[0].job_id)
    files = [
        report_file(folder.output / "report.json", "1.2.3", study=RECEIVED),
        {"kind": "seg", "file": "seg.dcm"},
    ]
    trail = audit_trail(here.settings)
    with worked_off(
        here.settings,
        ScriptedSegmenter(lambda: SEGMENTED | {"files": files}),
        attempt=lambda delivery: attempt(delivery, here.settings, trail),
    ):
        until(lambda: list_jobs(here.client)[0].state in ("delivered", "failed"))
    job = list_jobs(here.client)[0]
    assert (job.state, job.code, job.deliveries) == ("delivered", "", (("ris", "delivered"),))
    assert len(ris.messages) == 3


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"hl7": "mllp://h:1", "fhir": "https://h/fhir"},
        {"hl7": "h:2575"},
        {"hl7": "mllp://h"},
        {"hl7": "mllp://user:s3cret@h:1"},
        {"fhir": "ftp://h/s3cret"},
        {"fhir": "https://user:s3cret@h/fhir?x"},
    ],
)
def test_a_wrong_address_is_refused_without_its_secret(report: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        receiver(**report)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [{"ae_title": "RIS"}, {"host": "h"}, {"stow": "http://h/x"}, {"receives": False}, {"tls": True}]
)
def test_a_receiver_of_reports_is_no_dicom_node(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Peer.model_validate({"name": "ris", "receives": True, "report": {"hl7": "mllp://h:1"}} | given)
    peer = receiver(hl7="mllp://h:1")
    settings = NodeSettings(peers=(peer,))
    assert (settings.sources, settings.destinations) == ((), (peer,))
    with pytest.raises(ValidationError, match="ae_title"):
        Peer.model_validate({"name": "pacs"})
