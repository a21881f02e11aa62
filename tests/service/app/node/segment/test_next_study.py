"""The next study is prefetched while another is segmented, in a process that may die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest
from dbos import EnqueueOptions

import app.node.segment.segmenting
from app.node.queue.database import STUDIES, open_connection, prepare_database
from app.node.queue.job import StudyJob, job_folder
from app.node.queue.workflow import SEGMENT
from app.node.segment.next_study import NextStudy, is_open
from app.node.segment.segmenting import Segmenter
from app.node.segment.study_reader import ReadStudy
from app.node.watch.heartbeat import SPAWN
from app.run.series_job import Job
from app.run.stage_clock import StageClock
from app.settings import Settings
from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume
from operators.package_files.package_reader import read_package
from operators.packages.packages import ModelPackage
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.hounsfield_cases import body
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_cases import node_settings
from tests.support.node.node_processes import until
from tests.support.packages.synthetic_packages import write_package

AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((96, 96, 32), AFFINE)
ENOUGH = HU.size * 2


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPackage, ...]:
    return (read_package(write_package(tmp_path_factory.mktemp("models") / "bones")),)


class Ahead(NextStudy):
    """Reads the next study that the test chooses."""

    def __init__(self, data: Path, packages: tuple[ModelPackage, ...], limit_bytes: int = ENOUGH) -> None:
        super().__init__(data, packages, limit_bytes, lambda: self.next, lambda job_id: job_id in self.open)
        self.next, self.open = "", {"job-1", "job-2"}

    def reads(self, job_id: str) -> None:
        """Until the study has been read, or the reader has died over it."""
        self.next = job_id
        self.look()
        until(lambda: self.reader is None or self.reader.pipe.poll() or not self.reader.process.is_alive())

    @property
    def process_id(self) -> int:
        assert self.reader
        return int(self.reader.process.pid)


@pytest.fixture
def ahead(tmp_path: Path, packages: tuple[ModelPackage, ...]) -> Iterator[Ahead]:
    """Two studies wait."""
    for study in (1, 2):
        phantoms.write_ct(job_folder(tmp_path, f"job-{study}").input, HU + study, AFFINE, study=study)
    made = Ahead(tmp_path, packages)
    yield made
    if made.reader:
        made.reader.ended()


def read_directly(folder: Path) -> CtVolume:
    return read_volume(scan(folder).series[0])


def test_what_was_read_before_is_what_would_be_read_now(ahead: Ahead) -> None:
    for study in (1, 2):
        ahead.reads(f"job-{study}")
        found = ahead.taken(f"job-{study}")
        assert isinstance(found, ReadStudy)
        expected = read_directly(job_folder(ahead.data, f"job-{study}").input)
        assert found.volume
        np.testing.assert_array_equal(found.volume.hu, expected.hu)
        assert found.volume.hu.dtype == expected.hu.dtype
        assert found.volume.grid.same_as(expected.grid)
        assert [series.series_instance_uid for series in found.scan.series] == [
            f"{phantoms.UID_ROOT}.{study}.1"
        ]
        # Taken once
        assert ahead.taken(f"job-{study}") is None


def test_one_reader_reads_one_study_and_no_study_twice(ahead: Ahead) -> None:
    ahead.reads("job-1")
    first = ahead.process_id
    ahead.look()
    assert ahead.taken("job-2") is None
    assert ahead.taken("job-1") is not None
    ahead.reads("job-2")
    assert ahead.process_id == first
    # Another study comes first now: what was read for nothing goes
    ahead.reads("job-1")
    assert ahead.taken("job-2") is None
    assert ahead.taken("job-1") is not None


def test_a_larger_study_than_may_be_held_is_read_but_for_its_pixels(ahead: Ahead) -> None:
    small = Ahead(ahead.data, ahead.packages, ENOUGH - 1)
    small.reads("job-1")
    found = small.taken("job-1")
    assert found
    assert (len(found.scan.series), found.volume) == (1, None)
    assert small.reader is not None
    small.reader.ended()


def test_a_study_that_cannot_be_read_is_left_to_the_worker(ahead: Ahead) -> None:
    job_folder(ahead.data, "job-3").input.mkdir(parents=True)
    (job_folder(ahead.data, "job-3").input / "x.dcm").write_bytes(b"no DICOM")
    for path in job_folder(ahead.data, "job-2").input.iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    for job_id in ("job-2", "job-3", "job-4"):
        ahead.reads(job_id)
        found = ahead.taken(job_id)
        assert found is None or found.volume is None
    ahead.reads("job-1")
    assert ahead.taken("job-1") is not None


def test_the_memory_of_a_study_goes_with_its_job_while_the_worker_has_nothing_in_hand(ahead: Ahead) -> None:
    ahead.reads("job-1")
    reader = ahead.process_id
    ahead.forget_ended()
    assert psutil.pid_exists(reader)
    ahead.open.remove("job-1")
    ahead.forget_ended()
    assert not psutil.pid_exists(reader)
    ahead.forget_ended()
    assert ahead.taken("job-1") is None
    ahead.reads("job-2")
    assert ahead.taken("job-2") is not None
    ahead.forget_ended()
    assert ahead.reader, "expected a reader that holds nothing to stay"


def test_a_job_is_open_until_it_is_cancelled_or_removed(tmp_path: Path) -> None:
    prepare_database(node_settings(tmp_path))
    client = open_connection(node_settings(tmp_path))
    queued: EnqueueOptions = {"workflow_name": SEGMENT, "queue_name": STUDIES}
    client.enqueue({**queued, "workflow_id": "1.2-a"}, {})
    assert is_open(client, "1.2-a")
    client.cancel_workflow("1.2-a")
    assert not is_open(client, "1.2-a")
    client.enqueue({**queued, "workflow_id": "1.2-b"}, {})
    client.delete_workflows(["1.2-b"])
    assert not is_open(client, "1.2-b")
    client.destroy()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reader_that_dies_costs_no_study(when: str, ahead: Ahead) -> None:
    ahead.reads("job-1")
    ahead.taken("job-1")
    if when == "before":
        os.kill(ahead.process_id, signal.SIGSTOP)
        ahead.next = "job-2"
        ahead.look()
    else:
        ahead.reads("job-2")
    os.kill(ahead.process_id, signal.SIGKILL)
    assert ahead.reader is not None
    ahead.reader.process.join()
    ahead.taken("job-2")
    ahead.reads("job-1")
    assert ahead.taken("job-1") is not None


def test_nobody_waits_for_a_reader_that_hangs(ahead: Ahead) -> None:
    ahead.reads("job-1")
    ahead.taken("job-1")
    hung = ahead.process_id
    os.kill(hung, signal.SIGSTOP)
    ahead.next = "job-2"
    ahead.look()
    assert ahead.taken("job-2") is None
    assert not psutil.pid_exists(hung)


def begun(answer: Connection, data: Path, packages: tuple[ModelPackage, ...]) -> None:
    """A worker with a study that was read ahead."""
    ahead = Ahead(data, packages)
    ahead.reads("job-1")
    answer.send(ahead.process_id)
    signal.pause()


def test_the_reader_and_what_it_read_go_with_a_worker_that_is_killed(ahead: Ahead) -> None:
    ours, its = SPAWN.Pipe()
    worker = SPAWN.Process(target=begun, args=(its, ahead.data, ahead.packages))
    worker.start()
    reader = ours.recv()
    assert psutil.pid_exists(reader)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    until(lambda: not psutil.pid_exists(reader))


def test_a_worker_reads_the_second_study_while_it_has_the_first_in_hand(
    tmp_path: Path, packages: tuple[ModelPackage, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [StudyJob(f"1.{n}-1", f"1.{n}", 1, "2026-01-01T00:00:00", "CT1", HU.shape[2]) for n in (1, 2)]
    for number, job in enumerate(jobs):
        phantoms.write_ct(job_folder(tmp_path, job.job_id).input, HU + number, AFFINE, study=number + 1)
    ahead, read, here = Ahead(tmp_path, packages), [], []

    def counted(series: Series) -> CtVolume:
        here.append(series)
        return read_volume(series)

    def graph(work: Job, _: StageClock) -> Segmentation:
        assert ahead.busy.is_set()
        volume = work.read(work.selection.series)
        assert isinstance(volume, CtVolume)
        read.append(volume)
        if len(read) == 1:
            ahead.reads(jobs[1].job_id)
        raise UnsuitableError("expected nothing")

    monkeypatch.setattr(app.node.segment.segmenting, "read_image", counted)
    segmenter = Segmenter(Settings(node=node_settings(tmp_path)), packages, graph, ahead)
    for job in jobs:
        assert segmenter.decide(job.as_json())["selected"] == 1
        segmenter.segment(job.as_json(), [0])
        assert not ahead.busy.is_set()
    assert len(here) == 1
    for job, volume in zip(jobs, read, strict=True):
        expected = read_directly(job_folder(tmp_path, job.job_id).input)
        np.testing.assert_array_equal(volume.hu, expected.hu)
    # Repeated after a crash, say: read again, as it was given away
    segmenter.segment(jobs[1].as_json(), [0])
    assert len(here) == 2
    np.testing.assert_array_equal(read[2].hu, read[1].hu)
    assert ahead.reader is not None
    ahead.reader.ended()


def test_what_was_mended_in_the_values_goes_with_a_volume_that_was_read_before(ahead: Ahead) -> None:
    folder = job_folder(ahead.data, "job-1").input
    for path in folder.iterdir():
        path.unlink()
    phantoms.write_ct(folder, body(), AFFINE, edit=setting(SeriesDescription="CBCT"))
    ahead.reads("job-1")
    found = ahead.taken("job-1")
    assert found
    assert found.volume
    assert [note.code for note in found.volume.notes] == ["cone_beam"]
    assert found.volume.notes == read_directly(folder).notes
