"""A worker that hangs, dies or runs out of memory: its study ends in a named state, and the others run."""

from __future__ import annotations

import os
import re
import resource
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.cli.node.jobs import jobs_command
from app.node.queue.database import open_connection
from app.node.queue.jobs.job_state import ENDS, JobState
from app.settings import Settings
from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import ct, deflated, nested
from tests.support.faults.wire import DEFLATED, EXPLICIT, store
from tests.support.faults.wire import connected as connected_to
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
# Large enough that its worker can be caught at work
HU = phantoms.position_volume((64, 64, 32), AFFINE)
LIMIT_S, DEATHS = 15.0, 1
# A study for which there is no thread goes back to its queue
WITHOUT_MEMORY = ("out_of_memory", "work_given_back")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("node")
    pacs = Orthanc(root / "pacs").start()
    peers = ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer())
    served = Served(root, peers, study_limit_s=LIMIT_S, crash_limit=DEATHS)
    try:
        yield served.start()
    finally:
        served.kill()
        pacs.stop()


def send(node: Served, folder: Path, study: int) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    assert storescu(node.port, "+sd", folder)[0] == 0


def job(node: Served, study: int) -> JobState:
    """Waits for the job of a study and returns it."""
    uid = f"{phantoms.UID_ROOT}.{study}"
    return until(lambda: next((job for job in node.jobs() if job.study_instance_uid == uid), None))


def at_work(node: Served, study: int, attempt: int = 1) -> int:
    """The worker's process id, once it segments that study, for the first time or again."""
    client = open_connection(node.node)

    def begun() -> bool:
        (row,) = client.list_workflows(workflow_ids=[job(node, study).job_id])
        return (row.status, row.recovery_attempts) == ("PENDING", attempt)

    until(begun)
    until((node.node.data / "jobs" / job(node, study).job_id / "out").exists)
    client.destroy()
    return node.part("worker")


def end(node: Served, study: int) -> JobState:
    """The job, when it has ended."""
    found: JobState = until(lambda: (f := job(node, study)) and f.state in ENDS and f, 120)
    return found


def test_a_worker_that_hangs_is_ended_its_study_fails_and_can_be_begun_again(
    node: Served, tmp_path: Path
) -> None:
    send(node, tmp_path / "1", 1)
    os.kill(at_work(node, 1), signal.SIGSTOP)
    hung = end(node, 1)
    assert (hung.state, hung.code) == ("failed", "time_limit")
    assert "within 15 s" in hung.sentence
    until(node.is_well)
    assert jobs_command(Settings(node=node.node), "retry", hung.job_id, as_json=True) == 0
    until(lambda: job(node, 1).state != "failed")
    assert end(node, 1).state == "delivered"


def test_a_study_over_which_workers_die_fails_and_the_next_one_runs(node: Served, tmp_path: Path) -> None:
    send(node, tmp_path / "2", 2)
    for attempt in range(1, DEATHS + 2):
        os.kill(at_work(node, 2, attempt), signal.SIGKILL)
    send(node, tmp_path / "3", 3)
    died = end(node, 2)
    assert (died.state, died.code) == ("failed", "worker_died")
    assert end(node, 3).state == "delivered"


def monsters() -> list[tuple[str, bytes]]:
    """Transfer syntax and data set of studies 11 and up."""

    def study(number: int, **more: Any) -> bytes:
        uid = f"{phantoms.UID_ROOT}.{number}"
        return ct(f"{uid}.1.1", study=uid, series=f"{uid}.1", **more)

    return [
        (DEFLATED, deflated(study(11), 512 << 20)),
        (EXPLICIT, study(12, rows=struct.pack("<L", 1 << 31), rows_vr="UL")),
        (EXPLICIT, study(13, rows=struct.pack("<H", 0xFFFF))),
        (EXPLICIT, study(14, after=nested(10_000))),
        (EXPLICIT, study(15, patient="P" * 10_000)),
    ]


def test_monstrous_studies_are_refused_and_harm_no_worker(node: Served, tmp_path: Path) -> None:
    until(node.is_well)
    worker = node.part("worker")
    for number, (syntax, dataset) in enumerate(monsters(), 11):
        with connected_to(node.port) as wire:
            wire.associated(syntax=syntax).say(*store(f"{phantoms.UID_ROOT}.{number}.1.1", dataset))
            assert wire.status() == 0x0000
    send(node, tmp_path / "5", 5)
    ends = [end(node, number) for number in range(11, 11 + len(monsters()))]
    assert {job.state for job in ends} == {"refused"}
    assert all(job.code and job.sentence for job in ends)
    assert end(node, 5).state == "delivered"
    assert node.part("worker") == worker
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
    assert peak
    assert int(peak[1]) < 2_000_000


def test_a_worker_without_memory_costs_time_and_loses_nothing(node: Served, tmp_path: Path) -> None:
    until(node.is_well)
    worker = psutil.Process(node.part("worker"))
    free = worker.rlimit(resource.RLIMIT_AS)
    worker.rlimit(resource.RLIMIT_AS, (worker.memory_info().vms + (1 << 20), free[1]))
    said = len(node.log())
    send(node, tmp_path / "4", 4)
    until(lambda: any(sign in node.log()[said:] for sign in WITHOUT_MEMORY) or not alive(worker))
    if alive(worker):
        worker.rlimit(resource.RLIMIT_AS, free)
    assert end(node, 4).state == "delivered"


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
