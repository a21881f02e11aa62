"""A whole node under kill -9: nothing is lost, doubled, or left without a named state."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from app.node.queue.database import open_connection
from app.node.queue.jobs.job_state import ENDS
from app.node.studies.edited_results import filed_edits
from app.node.studies.replacement import replace_results, told_replacements
from app.node.watch.audit import audit_trail
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
SEED = 7
KILLS = int(os.environ.get("OSTEON_TEST_KILLS", "3"))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Served, Orthanc]]:
    pacs = Orthanc(tmp_path / "pacs")
    sender = {"name": "ct1", "ae_title": "CT1"}
    # A kill of everything counts as a worker's death too: nobody can tell whose fault it was.
    served = Served(tmp_path, (sender, pacs.as_peer()), crash_limit=12 + KILLS)
    yield served, pacs
    pacs.stop()
    if served.process is not None and served.process.poll() is None:
        served.kill()


class Hospital(threading.Thread):
    """Sends studies, one after the other as they are due, each instance until it is acknowledged."""

    def __init__(self, folder: Path, port: int, studies: int) -> None:
        super().__init__()
        self.port, self.folders = port, [folder / str(n) for n in range(studies)]
        self.due = threading.Semaphore(studies)
        for n, each in enumerate(self.folders):
            phantoms.write_ct(each, HU, AFFINE, study=n + 1)

    def run(self) -> None:
        for folder in self.folders:
            self.due.acquire()
            while storescu(self.port, "+sd", folder)[0] != 0:
                time.sleep(0.2)


def delivered(served: Served, studies: int) -> list[tuple[str, str]]:
    """State and code of the last job of every study, when all have ended."""
    jobs = served.jobs()
    last = {job.study_instance_uid: job for job in jobs}
    done = len(last) == studies and all(job.state in ENDS for job in last.values())
    return [(job.state, job.code) for job in last.values()] if done else []


def assert_nothing_lost_or_doubled(served: Served, pacs: Orthanc, studies: int) -> None:
    states = until(lambda: delivered(served, studies), 240)
    assert Counter(states) == {("delivered", ""): studies}
    stored = Counter(path.parent.parent.name for path in (served.node.data / "inbox").rglob("*.dcm"))
    assert stored == {f"{phantoms.UID_ROOT}.{n + 1}": HU.shape[2] for n in range(studies)}
    whole = Counter(
        job.study_instance_uid for job in served.jobs() if served_images(served, job.job_id) == HU.shape[2]
    )
    assert whole == dict.fromkeys(stored, 1)
    segs = Counter(seg["SOPInstanceUID"] for seg in pacs.segs())
    assert set(segs.values()) == {1}
    assert {seg["StudyInstanceUID"] for seg in pacs.segs()} == set(stored)


def served_images(served: Served, job_id: str) -> int:
    return len(list((served.node.data / "jobs" / job_id / "in").rglob("*.dcm")))


def test_killed_parts_lose_nothing(node: tuple[Served, Orthanc], tmp_path: Path) -> None:
    served, pacs = node
    pacs.start()
    served.start()
    chance = random.Random(SEED)
    hospital = Hospital(tmp_path / "ct", served.port, 6)
    hospital.start()
    for name in ("listener", "worker", "sender", "listener", "worker", "sender"):
        time.sleep(chance.uniform(0.2, 2.5))
        os.kill(served.part(name), signal.SIGKILL)
        until(served.is_well)
    hospital.join()
    assert_nothing_lost_or_doubled(served, pacs, 6)
    assert served.stop() == 0


def test_kill_9_of_everything_loses_nothing(node: tuple[Served, Orthanc], tmp_path: Path) -> None:
    served, pacs = node
    pacs.start()
    chance = random.Random(SEED)
    studies = 5 + KILLS // 5
    hospital = Hospital(tmp_path / "ct", served.port, studies)
    hospital.due = threading.Semaphore(0)
    hospital.start()
    for turn in range(KILLS):
        for _ in range(turn * studies // KILLS, (turn + 1) * studies // KILLS):
            hospital.due.release()
        # Every third time it is not even ready
        served.start(wait=turn % 3 != 2)
        time.sleep(chance.uniform(0.1, 6.0))
        served.kill()
    served.start()
    hospital.join()
    assert_nothing_lost_or_doubled(served, pacs, studies)


def test_a_pacs_that_was_down_gets_the_result_once_it_is_up(
    node: tuple[Served, Orthanc], tmp_path: Path
) -> None:
    served, pacs = node
    served.start()
    hospital = Hospital(tmp_path / "ct", served.port, 1)
    hospital.run()
    until(lambda: re.search(r"delivery_postponed", served.log()))
    (job,) = served.jobs()
    assert job.state == "delivering"
    pacs.start()
    assert_nothing_lost_or_doubled(served, pacs, 1)
    assert 'osteon_jobs{state="delivered"} 1.0' in served.metrics()


def test_the_port_is_free_after_a_kill_of_the_first_process_only(node: tuple[Served, Orthanc]) -> None:
    served, _ = node
    served.start()
    assert served.process is not None
    served.process.kill()
    served.process.wait()
    probe = ["sh", "-c", f"! ss -ltn 2>/dev/null | grep -q :{served.port}"]
    until(lambda: subprocess.run(probe, check=False).returncode == 0)
    served.start()


def corrected(pacs: Orthanc, folder: Path) -> str:
    """Sends a SEG that the PACS has to the node as another program would after an edit; returns its UID."""
    (instance,) = [
        each
        for series in pacs.get("series?expand")
        if series["MainDicomTags"].get("Modality") == "SEG"
        for each in series["Instances"]
    ]
    dataset = pydicom.dcmread(io.BytesIO(pacs.file(instance)))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{phantoms.UID_ROOT}.77")
    dataset.SeriesInstanceUID, dataset.ContentCreatorName = f"{phantoms.UID_ROOT}.78", "Eve^"
    dataset.PixelData = bytes(len(dataset.PixelData) // 2) + dataset.PixelData[len(dataset.PixelData) // 2 :]
    folder.mkdir()
    dataset.save_as(folder / "edited.dcm")
    return str(dataset.SOPInstanceUID)


def test_kill_9_while_results_are_replaced_loses_and_doubles_nothing(
    node: tuple[Served, Orthanc], tmp_path: Path
) -> None:
    served, pacs = node
    pacs.start()
    served.start()
    Hospital(tmp_path / "ct", served.port, 1).run()
    (job,) = until(lambda: served.ended_jobs(1))
    instance = corrected(pacs, tmp_path / "edited")
    assert storescu(served.port, "-R", "+sd", tmp_path / "edited")[0] == 0
    until(lambda: filed_edits(served.node.data, job.job_id))
    client, now = open_connection(served.node), datetime.now(UTC)
    trail = audit_trail(served.node)
    replace_results(client, job.job_id, instance, served.node, "eve", now, trail)
    # While the results are made, and as soon as the PACS has the note
    for moment in (lambda: True, lambda: pacs.results("KO")):
        until(moment)
        served.kill()
        served.start()
    expected = {instance: "pacs: in place of the results before"}
    until(lambda: told_replacements(client, job.job_id) == expected)
    client.destroy()
    assert len(pacs.results("KO")) == 1
    stored = [each["SOPInstanceUID"] for each in pacs.segs()]
    assert sorted(stored) == sorted({instance, *stored})
    assert len(stored) == 2
    assert served.ended_jobs(1)[0].state == "delivered"
