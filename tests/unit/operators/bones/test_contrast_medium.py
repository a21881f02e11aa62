"""Contrast medium that an outline includes is cut off; bone never is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.contrast_medium import contrast_medium
from operators.bones.left_out import split_off_mimics
from operators.bones.regions import BoneRegion
from operators.geometry.volume import Grid
from operators.packages.confidence import UNCALIBRATED
from tests.support.packages.synthetic_packages import made_package

SHAPE, SPACING_MM = (64, 48, 48), 1.5
GRID = Grid(SHAPE, np.diag([SPACING_MM] * 3 + [1.0]))
LABEL = made_package().labels[0]
Mask = NDArray[np.bool_]
X, Y, Z = np.indices(SHAPE)


def ball(centre: tuple[int, int, int], radius: float) -> Mask:
    inside: Mask = (X - centre[0]) ** 2 + (Y - centre[1]) ** 2 + (Z - centre[2]) ** 2 <= radius**2
    return inside


BODY = ball((22, 24, 24), 13)
# Touches the body's front, as the aorta does
VESSEL = ((X - 43) ** 2 + (Y - 24) ** 2 <= 8**2) & (Z > 4) & (Z < 44) & ~BODY
SPUR = (abs(X - 22) < 4) & (abs(Z - 24) < 4) & (Y > 36) & (Y < 46)


def ct(vessel_hu: float, noise_hu: float = 12.0, marrow_hu: float = 200.0) -> NDArray[np.float32]:
    """A bone with cortex and trabeculae beside a vessel, blurred and noisy as of a scanner."""
    rng = np.random.default_rng(5)
    marrow = marrow_hu + 90 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.0) / 0.15
    sharp = np.where(ndimage.binary_erosion(BODY, iterations=2), marrow, 800.0)
    sharp = np.where(BODY | SPUR, sharp, np.where(VESSEL, vessel_hu, 40.0))
    return (ndimage.gaussian_filter(sharp, 0.7) + rng.normal(0, noise_hu, SHAPE)).astype(np.float32)


@pytest.mark.parametrize("vessel_hu", [150.0, 250.0, 400.0, 700.0])
def test_a_vessel_beside_a_bone_is_cut_off_along_their_border(vessel_hu: float) -> None:
    found = contrast_medium(BODY | VESSEL | SPUR, ct(vessel_hu), GRID)
    assert found[VESSEL].mean() > 0.97
    assert found[BODY | SPUR].mean() < 0.01


@pytest.mark.parametrize(
    ("bone", "hu"),
    [
        pytest.param(BODY | SPUR, ct(300.0), id="bone alone"),
        pytest.param(BODY | VESSEL, ct(1400.0), id="as bright as cortex"),
        pytest.param(BODY | VESSEL, ct(60.0), id="soft tissue, which no contrast medium fills"),
        pytest.param(VESSEL, ct(300.0), id="no bone to cut it off from"),
        pytest.param(BODY | ball((40, 24, 24), 4), ct(300.0), id="too small to be judged"),
        pytest.param(BODY | VESSEL, ct(300.0, noise_hu=80.0), id="too noisy to be judged"),
        pytest.param(np.zeros(SHAPE, bool), ct(300.0), id="nothing"),
        pytest.param(np.ones(SHAPE, bool), ct(300.0), id="everything"),
    ],
)
def test_what_may_be_bone_stays(bone: Mask, hu: NDArray[np.float32]) -> None:
    assert not contrast_medium(bone, hu, GRID).any()


def test_a_fragment_with_marrow_of_its_own_stays() -> None:
    fragment = ball((44, 24, 24), 9) & ~ndimage.binary_dilation(BODY)
    hu = ct(300.0)
    inside = ndimage.binary_erosion(fragment, iterations=2)
    own = np.where(inside, ct(300.0)[::-1], 700.0)
    hu = np.where(fragment, own, hu).astype(np.float32)
    assert not contrast_medium(BODY | fragment, hu, GRID).any()


def test_what_held_on_to_the_vessel_alone_goes_with_it() -> None:
    wall = (abs(Y - 24) < 2) & (abs(Z - 24) < 2) & (X > 50) & (X < 60)
    found = contrast_medium(BODY | VESSEL | wall, ct(300.0), GRID)
    assert found[wall].all()
    assert not found[BODY].all()


@pytest.mark.parametrize("spacing_mm", [1.5, 0.75])
def test_the_bone_loses_it_at_its_own_resolution_and_the_report_says_so(spacing_mm: float) -> None:
    steps = round(SPACING_MM / spacing_mm)
    bone = BODY | VESSEL
    for axis in range(3):
        bone = bone.repeat(steps, axis)[
            tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))
        ]
    nowhere = np.zeros(bone.shape, bool)
    grid = Grid(bone.shape, np.diag([spacing_mm] * 3 + [1.0]))
    region = BoneRegion(LABEL, np.where(bone, 0.8, -0.8).astype(np.float32), nowhere, nowhere, grid, 0.98)
    read = list[Grid]()

    def hu_on(wanted: Grid) -> NDArray[np.float32]:
        read.append(wanted)
        return ct(300.0)[tuple(slice(n) for n in wanted.shape)]

    (kept,), said = split_off_mimics([region], UNCALIBRATED, hu_on)
    left = kept.margin > 0
    assert not (left & ~bone).any()
    lost_ml = float((bone & ~left).sum()) * spacing_mm**3 / 1000
    assert lost_ml == pytest.approx(VESSEL.sum() * SPACING_MM**3 / 1000, rel=0.1)
    assert said == (
        f"{LABEL.meaning}: {lost_ml:.1f} ml that are as uniform as contrast medium, without a cortex, were "
        "left out.",
    )
    assert [max(each.spacing_mm) for each in read] == [SPACING_MM]
    _, said = split_off_mimics([region, region], UNCALIBRATED, hu_on)
    assert [each.partition(" that")[0] for each in said] == [
        f"{LABEL.meaning}: {2 * lost_ml:.1f} ml in 2 bones"
    ]
    assert split_off_mimics([replace(kept)], UNCALIBRATED, hu_on)[1] == ()
