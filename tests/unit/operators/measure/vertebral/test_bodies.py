"""Heights, their loss, density and curve of made bodies whose measures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from operators.geometry.volume import CtVolume, LabelMap
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.packages.packages import OF_BODIES
from operators.segmentation.measurements import (
    BodyHeights,
    Measured,
    NotMeasurable,
    VertebralBody,
)
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import summary
from tests.support.bones.synthetic_bodies import (
    EVEN,
    Heights,
    bodies_package,
    body_and_arch,
    placed,
    row_of_bodies,
)
from tests.support.dicom.seg_cases import bone


def segmentation_of(label_map: LabelMap, hu: int = 150) -> Segmentation:
    values = [value for value in np.unique(label_map.labels).tolist() if value]
    segments = tuple(replace(bone(v, laterality=None), bone=f"bone_{v}") for v in values)
    volume = CtVolume(np.where(label_map.labels, hu, 40).astype(np.int16), label_map.grid)
    made = Segmentation(label_map, segments, bodies_package(len(values), OF_BODIES))
    return flag_result(measure_segments(made, volume), volume)


def measured(label_map: LabelMap) -> list[VertebralBody]:
    found = [row.vertebral_body for row in segmentation_of(label_map).measurements]
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


def heights_mm(body: VertebralBody) -> list[float]:
    assert isinstance(body.heights_mm, BodyHeights), body.heights_mm
    heights = body.heights_mm
    return [each.value for each in (heights.anterior, heights.middle, heights.posterior)]


@pytest.mark.parametrize(
    ("heights", "turn"),
    [
        (EVEN, (0, 0, 0)),
        (EVEN, (-25, 10, 0)),
        ((18.0, 22.0, 26.0), (0, 15, 10)),
        ((18.0, 22.0, 26.0), (-25, 10, 0)),
        ((26.0, 17.0, 26.0), (20, 0, 0)),
        ((26.0, 17.0, 26.0), (0, 15, 10)),
        ((13.0,) * 3, (20, 0, 0)),
        ((13.0,) * 3, (-25, 10, 0)),
    ],
)
def test_heights_hold_however_the_bone_is_turned(heights: Heights, turn: tuple[int, int, int]) -> None:
    centre = np.array([0.2, 0.3, 0.35])
    solid = placed(body_and_arch(heights), centre, Rotation.from_euler("xyz", turn, degrees=True))
    (found,) = measured(row_of_bodies([solid], (0.8, 0.8, 1.0)))
    assert heights_mm(found) == pytest.approx(list(heights), abs=1.0)
    assert found.loss == NotMeasurable("no intact neighbour is in view")


def test_a_bone_cut_by_the_scan_has_no_heights() -> None:
    whole = row_of_bodies([body_and_arch()])
    (found,) = measured(LabelMap(np.roll(whole.labels, -50, axis=2), whole.grid))
    assert found.heights_mm == NotMeasurable("the bone is cut off by the edge of the scan")


def test_a_bone_without_an_arch_has_no_heights() -> None:
    (found,) = measured(row_of_bodies([lambda points: np.abs(points).max(axis=-1) <= 12]))
    assert found.heights_mm == NotMeasurable("its body cannot be told from its arch")


def test_a_body_that_is_as_thin_as_its_arch_is_not_measured_rather_than_wrongly() -> None:
    (found,) = measured(row_of_bodies([body_and_arch((9.0, 9.0, 9.0))]))
    assert found.heights_mm == NotMeasurable("its body cannot be told from its arch")


def test_density_is_the_median_inside_and_says_its_limits() -> None:
    made = segmentation_of(row_of_bodies([body_and_arch()]), hu=80)
    body = made.measurements[0].vertebral_body
    assert body is not None
    assert body.trabecular_hu == Measured(80.0)
    said = summary(made)[0]
    assert "trabecular 80 HU (low), opportunistic, not corrected for contrast" in said
    assert "90 without contrast medium; 105 portal venous; 110 arterial" in said


def test_without_a_volume_there_is_no_density() -> None:
    made = segmentation_of(row_of_bodies([body_and_arch()]))
    row = measure_segments(made).measurements[0]
    assert row.vertebral_body is not None
    assert isinstance(row.vertebral_body.trabecular_hu, NotMeasurable)
