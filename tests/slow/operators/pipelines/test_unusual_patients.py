"""Bones of limbs in unusual patients and scans: right, flagged, or refused with the reason, and never on the
wrong side. The networks are made up and read the truth; what is tested is all that follows them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage
from scipy.spatial.transform import Rotation

from operators.dicom.hounsfield.hounsfield_decision import check_volume
from operators.dicom.pixels.image_reader import growth_notes
from operators.errors import UnsuitableError
from operators.geometry.value_notes import GROWTH_PLATES, NOT_HOUNSFIELD
from operators.geometry.volume import Box, CtVolume, Grid
from operators.measure.flags import CUT, METAL, TOO_COARSE, flag_result
from operators.measure.measuring import measure_segments
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.pipelines import several
from operators.segmentation.segmentation import Segmentation
from tests.support.bones.synthetic_long_bones import long_bone
from tests.support.bones.synthetic_patients import (
    AIR_HU,
    CHEST,
    FLESH_HU,
    GRID,
    PELVIS,
    PROSTHESIS,
    Bones,
    ReadingNetworks,
    both,
    limb,
    limb_package,
    made_ct,
    seen_along,
    thighs,
)
from tests.support.bones.synthetic_shapes import Points, points_of

MODELS = Path(__file__).parents[4] / "models"
FEMUR, HUMERUS = (limb_package(MODELS / name / "package.toml") for name in ("femur", "humerus"))
CLASSES = FEMUR.coarse.classes
FEMORA, HUMERI = {"femur_left", "femur_right"}, {"humerus_left", "humerus_right"}
ARM = long_bone(130.0)


def found_in(ct: CtVolume, *packages: CoarseToFinePackage) -> Segmentation:
    return several.segment(ct, packages or (FEMUR,), ReadingNetworks(), lambda *_: None)


def flagged(ct: CtVolume) -> Segmentation:
    """Returns the femora of a CT with the flags of the result."""
    return flag_result(measure_segments(found_in(ct), ct), ct)


def bones_in(made: Segmentation) -> set[str]:
    return {segment.bone for segment in made.segments}


def codes_in(made: Segmentation) -> set[str]:
    return {flag.code for flag in made.flags}


def assert_no_wrong_side(made: Segmentation) -> None:
    """Every bone with a side lies on that side of the midline, where these patients have them all."""
    for segment in made.segments:
        x_mm = made.label_map.grid.to_lps(np.argwhere(made.label_map.labels == segment.value))[:, 0]
        side = segment.bone.rsplit("_", 1)[-1]
        assert side not in ("left", "right") or (np.median(x_mm) > 0) == (side == "left"), segment.bone


@pytest.mark.parametrize(
    ("axes", "flips"),
    [((0, 1, 2), (0, 1)), ((1, 0, 2), (0,)), ((0, 2, 1), (2,))],
    ids=["prone", "decubitus", "coronal slices"],
)
def test_a_patient_in_any_position_that_the_header_names_has_the_sides_of_one_supine(
    axes: tuple[int, int, int], flips: tuple[int, ...]
) -> None:
    made = found_in(seen_along(made_ct(thighs(), CLASSES), axes, flips))
    assert bones_in(made) == FEMORA
    assert_no_wrong_side(made)


def test_a_patient_on_the_side_whose_header_says_supine_has_femora_of_unknown_side() -> None:
    turned = Rotation.from_euler("z", 90, degrees=True)
    made = found_in(made_ct(thighs(), CLASSES, turned))
    assert bones_in(made) == {"femur_unknown_1", "femur_unknown_2"}


def test_crossed_legs_have_the_sides_on_which_they_begin() -> None:
    across = Rotation.from_euler("y", 35, degrees=True)
    legs = [limb(ARM, (110, -30, 0), across), limb(ARM, (-110, 30, 0), across.inv())]
    made = found_in(made_ct({**PELVIS, "femur": legs}, CLASSES))
    assert bones_in(made) == FEMORA
    left = made.label_map.grid.to_lps(np.argwhere(np.isin(made.label_map.labels, FEMUR.labels[0].values)))
    upper = left[:, 2] > left[:, 2].mean()
    assert left[upper, 0].mean() > 60
    assert left[~upper, 0].mean() < left[upper, 0].mean() - 60
    assert left[:, 1].mean() < 0


@pytest.mark.parametrize("degrees", [0.0, 60.0, 170.0], ids=["down", "abducted", "over the head"])
def test_arms_have_their_sides_down_and_over_the_head(degrees: float) -> None:
    arms = {**CHEST, "humerus": both(ARM, (150, 0, 0 if degrees else 80), degrees)}
    made = found_in(made_ct(arms, CLASSES), HUMERUS)
    assert bones_in(made) == HUMERI
    assert_no_wrong_side(made)


def test_a_joint_with_a_prosthesis_is_flagged_on_its_side() -> None:
    bones: Bones = {**thighs(), "metal": [limb(part, (110, 0, 0)) for part in PROSTHESIS]}
    made = flagged(made_ct(bones, CLASSES))
    assert bones_in(made) == FEMORA
    assert_no_wrong_side(made)
    (flag,) = (flag for flag in made.flags if flag.code == METAL)
    left, right = (next(s for s in made.segments if s.bone == f"femur_{side}") for side in ("left", "right"))
    assert left.value in flag.values
    assert right.value not in flag.values


def test_half_a_bone_is_flagged_and_has_its_side() -> None:
    ct = made_ct(thighs(), CLASSES)
    upper = Box((0, 0, 50), GRID.shape)
    made = flagged(CtVolume(ct.hu[upper.slices], GRID.crop(upper)))
    assert bones_in(made) == FEMORA
    assert CUT in codes_in(made)
    lower = Box((0, 0, 0), (*GRID.shape[:2], 50))
    made = flagged(CtVolume(ct.hu[lower.slices], GRID.crop(lower)))
    assert bones_in(made) == {"femur_unknown_1", "femur_unknown_2"}
    assert CUT in codes_in(made)


def test_slices_of_six_millimetres_are_flagged() -> None:
    ct = made_ct(thighs(), CLASSES)
    thick = ndimage.zoom(ct.hu, (1, 1, 2 / 3), order=0, grid_mode=True, mode="nearest")
    affine = ct.grid.ijk_to_lps @ np.diag([1, 1, 1.5, 1])
    made = flagged(CtVolume(thick, Grid(thick.shape, affine, "1.2.3")))
    assert bones_in(made) >= FEMORA
    assert TOO_COARSE in codes_in(made)


def test_a_growth_plate_parts_no_bone_in_two_bones_and_the_reader_is_told_of_it() -> None:
    def growing(points: Points) -> NDArray[np.bool_]:
        return ARM(points) & (np.abs((points - [22.0, 0, 18.0]) @ [0.77, 0, 0.64]) > 2.0)

    ct = replace(made_ct(thighs(growing), CLASSES), notes=tuple(growth_notes(of_age("012Y"))))
    made = flagged(ct)
    assert bones_in(made) == FEMORA
    # A known weakness: without a network that was trained on children, a gap is a fracture
    assert {segment.fragment for segment in made.segments} == {1, 2}
    (flag,) = (flag for flag in made.flags if flag.code == GROWTH_PLATES)
    assert set(flag.values) == {segment.value for segment in made.segments}


def of_age(text: str) -> Dataset:
    header = Dataset()
    header.PatientAge = text
    return header


def test_a_dry_bone_in_air_is_outlined_and_has_no_side() -> None:
    ct = made_ct({"femur": [limb(ARM, (20, 0, 60))]}, CLASSES, around_hu=AIR_HU)
    made = found_in(ct)
    assert bones_in(made) == {"femur_unknown_1"}
    true_ml = np.count_nonzero(ct.hu > 0) * GRID.voxel_volume_mm3 / 1000
    assert sum(segment.volume_ml for segment in made.segments) == pytest.approx(true_ml, rel=0.1)


def test_a_head_alone_is_refused_with_what_was_seen() -> None:
    ct = made_ct({"skull": CHEST["skull"], "vertebra": CHEST["vertebra"]}, CLASSES)
    upper = Box((0, 0, 90), GRID.shape)
    with pytest.raises(UnsuitableError, match=r"no femur found.*no humerus found.*skull") as refused:
        found_in(CtVolume(ct.hu[upper.slices], GRID.crop(upper)), FEMUR, HUMERUS)
    assert refused.value.code == "anatomy_not_found"


def test_a_phantom_of_water_and_rods_shows_no_bone_to_the_shipped_networks() -> None:
    points = points_of(GRID)[30:80, :, 35:95]
    radius_mm = np.hypot(points[..., 0], points[..., 1])
    hu = np.where(radius_mm < 75, 0, AIR_HU).astype(np.int16)
    for x_mm, rod_hu in ((-40, 990), (-15, 340), (15, 120), (40, -100)):
        hu[np.hypot(points[..., 0] - x_mm, points[..., 1]) < 12] = rod_hu
    shipped = [read_coarse_to_fine_package(MODELS / name / "package.toml") for name in ("femur", "humerus")]
    ct = CtVolume(hu, GRID.crop(Box((30, 0, 35), (80, 40, 95))))
    with pytest.raises(UnsuitableError, match=r"no femur found.*no humerus found.*rod") as refused:
        several.segment(ct, shipped, Networks(Device("auto", 1)), lambda *_: None)
    assert refused.value.code == "anatomy_not_found"


def test_an_mr_that_calls_itself_ct_is_flagged() -> None:
    ct = made_ct(thighs(), CLASSES)
    noise = np.random.default_rng(1).normal(0, 12, (2, *GRID.shape))
    bright = np.where(ct.hu > FLESH_HU, 90.0, 600.0)
    seen = check_volume(CtVolume(np.hypot(bright + noise[0], noise[1]).astype(np.int16), GRID))
    assert [note.code for note in seen.notes] == [NOT_HOUNSFIELD]
