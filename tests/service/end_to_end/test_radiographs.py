"""Tests radiographs with a real node: C-STORE, results at the destinations, one notice, kill -9."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import Comprehensive3DSRStorage, SecondaryCaptureImageStorage, SegmentationStorage
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_state import JobState
from tests.service.app.node.send.test_notices import Hook
from tests.service.end_to_end.test_node import osteon
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Served, until
from tests.support.packages.synthetic_packages import write_package
from tests.support.radiographs.radiograph_studies import (
    PROBABILITY,
    study_uid,
    write_views,
    write_views_package,
)

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
KINDS = {SegmentationStorage: "seg", Comprehensive3DSRStorage: "sr", SecondaryCaptureImageStorage: "sc"}
ALL = ("seg", "sr", "sc")


class Archive:
    """A storage SCP that records study, kind and UID of each received instance."""

    def __init__(self, name: str) -> None:
        self.name, self.got = name, dict[str, tuple[str, str]]()
        entity = AE(name.upper())
        for sop_class in KINDS:
            entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)
        handlers: list[Any] = [(evt.EVT_C_STORE, self.store)]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert server is not None
        self.server = server

    def store(self, event: evt.Event) -> int:
        """Accepts every instance."""
        dataset = event.dataset
        self.got[dataset.SOPInstanceUID] = (dataset.StudyInstanceUID, KINDS[dataset.SOPClassUID])
        return 0

    def kinds(self, study: str) -> Counter[str]:
        """Returns the number of received instances of a study by kind."""
        return Counter(kind for uid, kind in self.got.values() if uid == study)

    def as_peer(self, results: tuple[str, ...]) -> dict[str, object]:
        """Returns the archive as a peer in the node's settings."""
        address = {"host": "127.0.0.1", "port": self.server.server_address[1]}
        return {
            "name": self.name,
            "ae_title": self.name.upper(),
            "receives": True,
            "results": results,
        } | address


@pytest.fixture
def archives() -> Iterator[tuple[Archive, Archive]]:
    """Starts an archive that receives all results, and one that receives only SEGs."""
    made = Archive("pacs"), Archive("segs")
    yield made
    for each in made:
        each.server.shutdown()


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def node(tmp_path: Path, archives: tuple[Archive, Archive], hook: Hook) -> Iterator[Served]:
    """Returns a node with packages for radiographs and CT, and notices and urgency of findings."""
    write_views_package(tmp_path / "models")
    write_package(tmp_path / "models" / "bones", sees_bone=True)
    full, segs = archives
    peers = ({"name": "ct1", "ae_title": "CT1"}, full.as_peer(ALL), segs.as_peer(("seg",)))
    wanted = {"notice_url": hook.url, "notice_findings": True, "urgent_findings": True}
    served = Served(tmp_path, peers, crash_limit=30, **wanted)
    yield served
    served.end()


def sent(node: Served, folder: Path) -> None:
    """Sends all instances below a folder until the node has acknowledged each."""
    paths = sorted(folder.rglob("*.dcm"))
    until(lambda: storescu(node.port, "-R", *paths)[0] == 0, 120)


def ended(node: Served, count: int = 1) -> JobState:
    """Waits until `count` jobs have ended, and returns the last."""
    return until(lambda: node.ended_jobs(count), 180)[-1]


def test_two_views_come_back_as_reports_and_pictures_and_one_seg(
    node: Served, archives: tuple[Archive, Archive], hook: Hook, tmp_path: Path
) -> None:
    full, segs = archives
    node.start()
    write_views(tmp_path / "dx")
    sent(node, tmp_path / "dx")
    job = ended(node)
    assert (job.state, job.sentence) == ("delivered", "")
    assert (job.finding, job.probability) == ("fracture", PROBABILITY)
    assert_whole(full.kinds(study_uid(1)), {"seg": 1, "sr": 2})
    assert segs.kinds(study_uid(1)) == {"seg": 1}
    until(lambda: hook.bodies)
    shown = osteon(node, "jobs", "show", job.job_id)
    assert "fracture found (probability 87%; " in shown.stdout
    (listed,) = json.loads(osteon(node, "jobs", "list", "--json").stdout)
    assert (listed["finding"], listed["probability"]) == ("fracture", PROBABILITY)
    results_come_back(node, job, full, tmp_path)
    assert [body["event"] for body in hook.bodies] == ["finding"]
    assert hook.bodies[0]["study_instance_uid"] == study_uid(1)
    assert not [word for word in ("PHANTOM", "Phantom") if word in str(hook.bodies) + node.log()]
    assert node.stop() == 0


def assert_whole(got: Counter[str], expected: dict[str, int]) -> None:
    """Checks the number of SEGs and reports, and that each report has pictures."""
    assert {kind: count for kind, count in got.items() if kind != "sc"} == expected
    assert got["sc"] >= expected["sr"]


def results_come_back(node: Served, job: JobState, full: Archive, tmp_path: Path) -> None:
    """Sends the results back to the node, then a CT, which alone makes a new job."""
    before = dict(full.got)
    for folder in ("pictures", "pictures-2", "."):
        sent(node, job_folder(node.node.data, job.job_id).output / folder)
        time.sleep(1.0)
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE, study=7)
    sent(node, tmp_path / "ct")
    assert ended(node, 2).study_instance_uid == f"{phantoms.UID_ROOT}.7"
    assert len(node.jobs()) == 2
    assert full.kinds(study_uid(1)) == Counter(kind for _, kind in before.values())


def test_a_view_without_a_seg_is_delivered_and_a_destination_of_segs_alone_says_that_it_got_nothing(
    node: Served, archives: tuple[Archive, Archive], tmp_path: Path
) -> None:
    full, segs = archives
    node.start()
    write_views(tmp_path / "dx")[0].unlink()
    sent(node, tmp_path / "dx")
    job = ended(node)
    assert (job.state, job.code) == ("delivered", "nothing_to_send")
    assert job.sentence == "segs receives only seg, of which the study has none; nothing was sent to it"
    assert_whole(full.kinds(study_uid(1)), {"sr": 1})
    assert not segs.got


def test_a_study_of_ct_and_radiographs_is_one_job_with_all_results(
    node: Served, archives: tuple[Archive, Archive], tmp_path: Path
) -> None:
    node.start()
    study = f"{phantoms.UID_ROOT}.1"
    phantoms.write_ct(tmp_path / "mixed" / "ct", HU, AFFINE)
    for path in write_views(tmp_path / "mixed" / "dx", first_series=11):
        moved(path, study)
    sent(node, tmp_path / "mixed")
    job = ended(node)
    assert (job.state, len(node.jobs())) == ("delivered", 1)
    counts = archives[0].kinds(study)
    assert (counts["seg"], counts["sr"]) == (2, 3)


def moved(path: Path, study: str) -> None:
    """Moves an image into another study."""
    dataset = pydicom.dcmread(path)
    dataset.StudyInstanceUID = study
    dataset.save_as(path)


def test_kill_9_of_everything_and_of_parts_loses_nothing_and_doubles_nothing(
    node: Served, archives: tuple[Archive, Archive], hook: Hook, tmp_path: Path
) -> None:
    full, _ = archives
    write_views(tmp_path / "dx")
    sender = threading.Thread(target=sent, args=(node, tmp_path / "dx"))
    sender.start()
    for pause_s in (0.5, 2.5, 5.0):
        node.start(wait=pause_s > 1)
        time.sleep(pause_s / 2)
        if pause_s > 1:
            os.kill(node.part("worker"), signal.SIGKILL)
        time.sleep(pause_s / 2)
        node.kill()
    node.start()
    sender.join()
    job = ended(node)
    assert (job.state, len(node.jobs())) == ("delivered", 1)
    assert_whole(full.kinds(study_uid(1)), {"seg": 1, "sr": 2})
    until(lambda: hook.bodies)
    assert node.stop() == 0
    assert [body["event"] for body in hook.bodies] == ["finding"]
