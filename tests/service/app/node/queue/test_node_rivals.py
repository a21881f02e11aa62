"""In the node, a series that shows no anatomy gives way to its rivals, each as a durable step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dbos import DBOS

from app.node.queue.job import Json, StudyJob, job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.outcomes import read_all
from app.node.segment.segmenting import Segmenter
from app.run.series_job import Job
from app.run.stage_clock import StageClock
from app.settings import Settings
from operators.errors import UnsuitableError
from operators.package_files.package_reader import read_package
from operators.segmentation.segmentation import Segmentation
from tests.service.app.node.queue.test_queue import NOON, arrives, node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_cases import node_settings
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.packages.synthetic_packages import write_package

NOT_FOUND: Json = {"state": "refused", "code": "anatomy_not_found", "sentence": "no box found"}
FAILED: Json = {"state": "failed", "code": "defect", "sentence": "see the log"}
AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((96, 96, 32), AFFINE)


def candidate(number: int, *better: int) -> Json:
    rivals = {"code": "another_series_chosen", "sentence": f"expected the best, which is {number}"}
    return {"series_instance_uid": f"1.{number}", "better": list(better), "rivals": rivals}


def plan_of(*candidates: Json) -> Json:
    return {"state": "decided", "selected": len(candidates), "candidates": list(candidates), "refusals": []}


def looked_at(plan: Json, *ends: Json) -> tuple[list[int], list[str]]:
    """Which candidates were segmented, and what became of all; each that is looked at takes the next end."""
    asked: list[int] = []

    def segment(numbers: list[int]) -> Json:
        (number,) = numbers
        asked.append(number)
        return ends[len(asked) - 1]

    found = read_all(plan, segment)
    return asked, [each.get("code") or each["state"] for each in found]


def test_rivals_are_looked_at_while_series_are_refused_and_no_longer() -> None:
    plan = plan_of(candidate(0), candidate(1, 0), candidate(2, 0, 1), candidate(3, 0, 1, 2))
    assert looked_at(plan, NOT_FOUND, SEGMENTED) == (
        [0, 1],
        ["anatomy_not_found", "segmented", "another_series_chosen", "another_series_chosen"],
    )
    assert looked_at(plan, *[NOT_FOUND] * 4) == ([0, 1, 2, 3], ["anatomy_not_found"] * 4)
    assert looked_at(plan, FAILED)[0] == [0]


def test_a_series_that_was_passed_over_hides_no_other() -> None:
    """Series 2 is a rival only of 1, which was passed over for 0."""
    plan = plan_of(candidate(0), candidate(1, 0), candidate(2, 1))
    assert looked_at(plan, SEGMENTED, SEGMENTED)[0] == [0, 2]


def test_a_plan_of_an_older_version_goes_on() -> None:
    plan = {"state": "decided", "selected": 2, "refusals": []}
    assert looked_at(plan, NOT_FOUND, SEGMENTED)[0] == [0, 1]


@dataclass
class Rivals(ScriptedSegmenter):
    """A study of three rivals, of which the second shows the anatomy."""

    asked: list[int] = field(default_factory=list)

    def decide(self, values: Json) -> Json:
        """Three candidates."""
        self.studies.append(values["study_instance_uid"])
        return plan_of(candidate(0), candidate(1, 0), candidate(2, 0, 1))

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """The second is segmented."""
        assert values["study_instance_uid"] == self.studies[-1]
        (number,) = numbers
        self.asked.append(number)
        return SEGMENTED if number == 1 else NOT_FOUND


def test_the_queue_works_rivals_off_one_by_one_and_repeats_no_step(tmp_path: Path) -> None:
    here, segmenter = node(tmp_path), Rivals()
    arrives(here, 1, "any", NOON)
    with worked_off(here.settings, segmenter):
        until(lambda: [job.state for job in list_jobs(here.client)] == ["delivering"])
        (job,) = list_jobs(here.client)
        steps = [step["function_name"] for step in DBOS.list_workflow_steps(job.job_id)]
    assert segmenter.asked == [0, 1]
    assert [name for name in steps if name in ("decide", "segment")] == ["decide", "segment", "segment"]


def test_a_study_is_not_found_only_when_each_of_its_series_was_looked_at(tmp_path: Path) -> None:
    job = StudyJob("1.2-1", "1.2", 1, "2026-01-01T00:00:00", "CT1", 3 * HU.shape[2])
    folder = job_folder(tmp_path, job.job_id).input
    for series, thickness_mm in ((1, 2), (2, 5), (3, 4)):
        phantoms.write_ct(folder, HU, AFFINE, series=series, edit=setting(SliceThickness=thickness_mm))
    asked: list[str] = []

    def graph(work: Job, _: StageClock) -> Segmentation:
        asked.append(work.selection.series.series_instance_uid.split(".")[-1])
        raise UnsuitableError("no box found", code="anatomy_not_found")

    package = read_package(write_package(tmp_path / "models" / "bones"))
    segmenter = Segmenter(Settings(node=node_settings(tmp_path)), (package,), graph)
    plan = segmenter.decide(job.as_json())
    outcomes = read_all(plan, lambda numbers: segmenter.segment(job.as_json(), numbers))
    assert asked == ["1", "3", "2"]
    assert [each["code"] for each in outcomes] == ["anatomy_not_found"] * 3
    assert plan["refusals"] == []
