"""Series that show the same part of the body are rivals: one after the other is tried, until one shows it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from app.run.folder import run_folder
from app.run.series_job import Job
from app.run.stage_clock import StageClock, silent
from app.settings import Settings
from operators.dicom.read.scan import scan
from operators.dicom.select.rivals import box_mm, shared_mm
from operators.dicom.select.selection import candidates, select
from operators.errors import ModelError, OutputError, UnreadableError, UnsuitableError
from operators.geometry.volume import Grid
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.dicom.seg_cases import MADE_AT
from tests.support.training.training_cases import write_models
from tests.unit.app.run.test_run import MADE, Graph
from tests.unit.operators.dicom.select.test_selection import package

SHAPE = (16, 16, 16)
NOT_FOUND = UnsuitableError("no box found", code="anatomy_not_found")


def write(folder: Path, series: int, low_mm: float = 0, slices: int = 16, **attributes: object) -> None:
    """Axial slices of 3 mm from `low_mm` upwards."""
    affine = phantoms.axial_affine((3.0, 3.0, 3.0), (0, 0, low_mm))
    hu = phantoms.position_volume((16, 16, slices), phantoms.axial_affine((3.0, 3.0, 3.0)))
    phantoms.write_ct(folder, hu, affine, series=series, edit=setting(**attributes))


def shows(*series: int, failing: Exception = NOT_FOUND) -> Graph:
    """Networks that find the anatomy only in these series."""

    def graph(job: Job, _: StageClock) -> Segmentation:
        if int(job.selection.series.series_instance_uid.split(".")[-1]) not in series:
            raise failing
        return MADE

    return graph


def run(tmp_path: Path, graph: Graph) -> tuple[int, dict[str, str]]:
    """The exit code, and what became of each series."""
    write_models(tmp_path / "models")
    settings = Settings(models=tmp_path / "models")
    outcome = run_folder(tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent, graph)
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    codes = {record.series_instance_uid.split(".")[-1]: record.code for record in outcome.series}
    assert codes == {row["series_instance_uid"].split(".")[-1]: row["code"] for row in written["series"]}
    return outcome.exit_code, codes


def test_a_longer_series_of_another_height_is_no_rival(tmp_path: Path) -> None:
    write(tmp_path / "in", 1, BodyPartExamined="PELVIS")
    write(tmp_path / "in", 2, low_mm=48, slices=40, BodyPartExamined="ABDOMEN")
    assert run(tmp_path, shows(1)) == (0, {"1": "selected", "2": "anatomy_not_found"})


def test_rivals_are_tried_in_order_until_one_shows_the_anatomy(tmp_path: Path) -> None:
    for series, thickness_mm in enumerate((5, 4, 3, 2), 1):
        write(tmp_path / "in", series, SliceThickness=thickness_mm)
    assert run(tmp_path, shows(1, 2)) == (
        0,
        {"4": "anatomy_not_found", "3": "anatomy_not_found", "2": "selected", "1": "another_series_chosen"},
    )


def test_only_when_none_of_the_rivals_shows_it_the_anatomy_is_not_found(tmp_path: Path) -> None:
    for series in (1, 2, 3):
        write(tmp_path / "in", series)
    assert run(tmp_path, shows()) == (3, dict.fromkeys("123", "anatomy_not_found"))


def test_a_series_that_is_passed_over_names_the_one_that_was_segmented(tmp_path: Path) -> None:
    for series in (1, 2, 3):
        write(tmp_path / "in", series)
    run(tmp_path, shows(2, 3))
    rows = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["series"]
    (passed,) = (row for row in rows if row["code"] == "another_series_chosen")
    assert passed["sentence"] == f"expected the best series of the study, which is {phantoms.UID_ROOT}.1.2"


def test_pixels_that_are_damaged_hide_no_good_series(tmp_path: Path) -> None:
    write(tmp_path / "in", 1)
    write(tmp_path / "in", 2)
    damaged = UnreadableError("expected decodable pixels, got damaged ones", code="damaged_pixels")
    assert run(tmp_path, shows(2, failing=damaged)) == (0, {"1": "damaged_pixels", "2": "selected"})


@pytest.mark.parametrize("error", [ModelError("x"), OutputError("x"), ZeroDivisionError("x")])
def test_what_is_ours_to_mend_is_not_tried_again_on_a_rival(tmp_path: Path, error: Exception) -> None:
    write(tmp_path / "in", 1)
    write(tmp_path / "in", 2)
    code, codes = run(tmp_path, shows(2, failing=error))
    assert code != 0
    assert codes["2"] == "another_series_chosen"


@pytest.mark.parametrize(
    ("low_mm", "slices", "count"),
    [(0, 16, 1), (9, 16, 1), (24, 16, 1), (27, 16, 2), (51, 16, 2), (12, 5, 1), (-60, 60, 1), (300, 16, 2)],
)
def test_rivals_share_at_least_half_of_the_smaller_box(
    tmp_path: Path, low_mm: float, slices: int, count: int
) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, low_mm=low_mm, slices=slices)
    found = candidates(select(scan(tmp_path), [package()]))
    assert [len(each.better) for each in found] == ([0, 1] if count == 1 else [0, 0])


def test_a_candidate_comes_behind_all_better_rivals_and_no_others(tmp_path: Path) -> None:
    """3 lies across 1 and 2, which are no rivals of each other."""
    write(tmp_path, 1, low_mm=0)
    write(tmp_path, 2, low_mm=48, BodyPartExamined="HIP")
    write(tmp_path, 3, low_mm=0, slices=32, SliceThickness=5)
    found = candidates(select(scan(tmp_path), [package()]))
    said = [(each.name.split(".")[-1], each.better) for each in found]
    assert said == [("1", ()), ("2", ()), ("3", (0, 1))]


def test_candidates_of_each_package_are_tried_for_themselves(tmp_path: Path) -> None:
    write(tmp_path, 1, SliceThickness=2)
    write(tmp_path, 2)
    found = candidates(select(scan(tmp_path), [package(), package("throat", ("NECK",))]))
    said = [(each.selection.package.name, each.name.split(".")[-1], each.better) for each in found]
    assert said == [("trunk", "1", ()), ("throat", "1", ()), ("trunk", "2", (0,)), ("throat", "2", (1,))]


def test_parts_of_one_series_at_different_heights_are_no_rivals_whatever_their_frames(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.FrameOfReferenceUID = "1.2.8" if k < 12 else "1.2.9"

    affine = phantoms.axial_affine((3.0, 3.0, 3.0))
    phantoms.write_ct(tmp_path, phantoms.position_volume((16, 16, 24), affine), affine, edit=edit)
    found = candidates(select(scan(tmp_path), [package()]))
    assert [each.better for each in found] == [(), ()]


Turn = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    "turn", [lambda a: a, lambda a: a[[1, 2, 0, 3]], lambda a: a @ np.diag([-1, 1, 1, 1])]
)
def test_boxes_are_compared_in_patient_space(turn: Turn) -> None:
    still, moved = np.eye(4), np.eye(4)
    moved[:3, 3] = (0, 5, 5)
    one, other = box_mm(Grid((10, 10, 10), turn(still))), box_mm(Grid((10, 10, 10), turn(moved)))
    assert sorted(shared_mm(one, one)) == pytest.approx([10, 10, 10])
    assert sorted(shared_mm(one, other)) == pytest.approx([5, 5, 10])


def test_a_thin_series_of_one_side_does_not_stand_for_both(tmp_path: Path) -> None:
    write(tmp_path, 1, SliceThickness=5)
    affine = phantoms.axial_affine((3.0, 3.0, 3.0), (0, 0, 0))
    half = phantoms.position_volume((7, 16, 16), affine)
    phantoms.write_ct(tmp_path, half, affine, series=2)
    found = candidates(select(scan(tmp_path), [package()]))
    assert [each.better for each in found] == [(), ()]


def test_a_thin_series_of_both_sides_stands_for_one_of_either(tmp_path: Path) -> None:
    write(tmp_path, 1)
    affine = phantoms.axial_affine((3.0, 3.0, 3.0), (0, 0, 0))
    half = phantoms.position_volume((7, 16, 16), affine)
    phantoms.write_ct(tmp_path, half, affine, series=2, edit=setting(SliceThickness=5))
    found = candidates(select(scan(tmp_path), [package()]))
    assert [each.better for each in found] == [(), (0,)]
