"""One study with many faulty destinations: none delays another, and none gets anything twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from app.node.queue.jobs.job_state import JobState
from tests.support.dicom import phantoms
from tests.support.node.node_cases import CT1, storescu
from tests.support.node.node_processes import DICOM_WEB, Orthanc, Served, free_port, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
SEG, MR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.4"
# What a C-STORE is answered with, or an event that stands in the place of an answer
Answers = list[int | Callable[[Event], int]]


class Pacs:
    """Sends the responses one by one, then stores; first rejects `rejects` associations."""

    def __init__(
        self, name: str, answers: Answers, rejects: int = 0, sop_class_uid: str = SEG, results: str = "seg"
    ) -> None:
        self.name, self.answers, self.rejects, self.port = name, answers, rejects, free_port()
        self.results = results.split()
        self.stored: list[str] = []
        self.entity = AE("PACS")
        self.entity.add_supported_context(sop_class_uid, ExplicitVRLittleEndian)

    def start(self) -> Any:
        handlers: list[Any] = [(evt.EVT_REQUESTED, self.requested), (evt.EVT_C_STORE, self.store)]
        return self.entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def requested(self, event: Event) -> None:
        if self.rejects:
            self.rejects -= 1
            event.assoc.acse.send_reject(1, 1, 7)
            event.assoc.kill()

    def store(self, event: Event) -> int:
        answer = self.answers.pop(0) if self.answers else 0x0000
        status = answer if isinstance(answer, int) else answer(event)
        if status == 0x0000:
            assert isinstance(event.request, C_STORE)
            self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def as_peer(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ae_title": "PACS",
            "host": "127.0.0.1",
            "port": self.port,
            "receives": True,
            "results": self.results,
        }


# PS3.8 9.2: the association is established and ready for data
TRANSFER = "Sta6"


def aborts(event: Event) -> int:
    event.assoc.abort()
    return 0xC000


def hangs(event: Event) -> int:
    """Answers when the node has given up, on a dead association."""
    until(lambda: event.assoc.dul.state_machine.current_state != TRANSFER, 600)
    return 0xC000


# Answers that pass, and those that do not
PASSING: dict[str, list[Any]] = {"full": [0xA700], "aborting": [aborts], "hanging": [hangs], "well": []}
FOR_GOOD = {
    "not-understanding": "peer_refused",
    "without-context": "no_presentation_context",
}


@contextmanager
def hospital(tmp_path: Path) -> Iterator[tuple[Served, dict[str, Pacs], Orthanc]]:
    pacs = {name: Pacs(name, list(answers)) for name, answers in PASSING.items()}
    pacs["rejecting"] = Pacs("rejecting", [], rejects=1)
    pacs["down"] = Pacs("down", [])
    pacs["not-understanding"] = Pacs("not-understanding", [0xC000] * 9)
    pacs["without-context"] = Pacs("without-context", [], sop_class_uid=MR)
    pacs["without-reports"] = Pacs("without-reports", [], results="seg sr")
    orthanc = Orthanc(tmp_path / "pacs").start(Plugins=[DICOM_WEB])
    address = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
    web = {"name": "web", "ae_title": "WEB", "stow": address, "receives": True}
    web |= {"results": ["seg", "sr", "rtstruct", "labelmap"]}
    peers = (CT1.model_dump(mode="json"), web, *(each.as_peer() for each in pacs.values()))
    node = Served(tmp_path, peers, network_s=1.0)
    with ExitStack() as stack:
        stack.callback(orthanc.stop)
        for each in pacs.values():
            if each.name != "down":
                stack.callback(each.start().shutdown)
        stack.callback(node.end)
        node.start()
        yield node, pacs, orthanc


def test_every_destination_comes_to_its_own_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A listener of ours in the same process lets pynetdicom's servers take every class
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)
    with hospital(tmp_path) as (node, pacs, orthanc):
        phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
        assert storescu(node.port, "+sd", tmp_path / "ct")[0] == 0
        until(lambda: pacs["well"].stored and orthanc.segs(), 60)
        assert pacs["down"].stored == []
        server = pacs["down"].start()
        job = until(lambda: ended(node), 120)
        server.shutdown()
        states = dict(job.deliveries)
        assert {name for name, state in states.items() if state == "failed"} == set(FOR_GOOD)
        assert set(states.values()) == {"failed", "delivered"}
        assert (job.state, job.code) == ("failed", FOR_GOOD[next(n for n in states if n in FOR_GOOD)])
        # Of the SEG there is a label map too, which is of the same modality
        seg, _ = sorted(orthanc.segs(), key=lambda each: each["SOPClassUID"])
        assert len(orthanc.results("RTSTRUCT")) == len(orthanc.results("SR")) == 1
        got = {name: each.stored for name, each in pacs.items()}
        without = {"not-understanding", "without-context"}
        assert got == {name: [] if name in without else [seg["SOPInstanceUID"]] for name in pacs}


def ended(node: Served) -> JobState | None:
    """The only job, once all its deliveries have ended."""
    (job,) = node.jobs()
    open_ones = [name for name, state in job.deliveries if state == "delivering"]
    return None if open_ones or not job.deliveries else job
