"""Bones of one patient in the body of another: the body is deformed to fit, the bones stay."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from training.subjects.bone_sets import bone_set_subject
from training.subjects.subjects import with_soft_tissue
from training.subjects.surroundings import Body, surround_with_body

NAMES = {1: "hip_left", 2: "hip_right", 3: "colon", 4: "femur_left", 5: "vertebrae_S1"}
SHAPE = (80, 60, 70)
Labels = NDArray[np.uint8]


Place = tuple[int, int, int]


def ellipsoid(centre: Place, radii: Place, scale: float, shift: float) -> NDArray[np.bool_]:
    grid = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    at = [((g - shift) / scale - c) / r for g, c, r in zip(grid, centre, radii, strict=True)]
    return np.asarray(sum(a**2 for a in at) < 1)


def body(scale: float, shift: float) -> Labels:
    """A donor of which every size and place is known."""
    structures = np.zeros(SHAPE, np.uint8)
    structures[ellipsoid((40, 30, 55), (5, 5, 5), scale, shift)] = 5
    structures[ellipsoid((40, 18, 35), (8, 6, 12), scale, shift)] = 3
    structures[ellipsoid((64, 30, 24), (8, 8, 8), scale, shift)] = 4
    structures[ellipsoid((58, 30, 40), (6, 14, 16), scale, shift)] = 1
    structures[ellipsoid((22, 30, 40), (6, 14, 16), scale, shift)] = 2
    return structures


def cut_out(structures: Labels) -> Body:
    bones = np.where(structures <= 2, structures, 0).astype(np.uint8)
    return Body(bones, {1: "hip_left", 2: "hip_right"}, 1.5)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.85, 6.0), (1.1, -5.0)])
def test_a_donor_of_another_size_and_place_is_brought_to_the_bones(scale: float, shift: float) -> None:
    truth = body(scale, shift)
    made = surround_with_body(cut_out(truth), Body(body(1.0, 0.0), NAMES, 1.5), set())
    value = {name: value for value, name in made.names.items()}
    for name, least in (("colon", 0.85), ("femur_left", 0.7)):
        known = next(v for v, n in NAMES.items() if n == name)
        assert dice(made.structures == value[name], truth == known) > least


def test_the_bones_stay_and_the_donors_own_give_way_and_keep_off() -> None:
    truth = body(0.9, 4.0)
    own = cut_out(truth)
    made = surround_with_body(own, Body(body(1.0, 0.0), NAMES, 1.5), {"vertebrae_S1"})
    assert np.array_equal(np.where(made.structures <= 2, made.structures, 0), own.structures)
    present = [made.names[int(value)] for value in np.unique(made.structures) if value]
    assert present == ["hip_left", "hip_right", "colon", "femur_left"]
    hard = made.structures == next(v for v, n in made.names.items() if n == "femur_left")
    for axis in range(3):
        for step in (-1, 1):
            assert not (np.roll(hard, step, axis) & (own.structures > 0)).any()


def test_a_bone_set_in_a_donor_has_its_own_texture_and_the_donors_organs(tmp_path: Path) -> None:
    folder, affine = tmp_path / "007", np.diag([1.5, 1.5, 1.5, 1])
    folder.mkdir()
    truth = body(0.9, 4.0)
    for value, suffix in ((1, "LI"), (2, "RI")):
        # Files run to right, anterior, superior
        mask = (truth == value)[::-1, ::-1].astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(mask, affine), folder / f"007_{suffix}_mask.nii.gz")
        image = 700 * mask.astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(image, affine), folder / f"007_{suffix}.nii.gz")
    bones = {"LI": "hip_left", "RI": "hip_right"}
    classes = {"hip": ["hip_*"], "femur": ["femur_*"]}
    donor = Body(body(1.0, 0.0), NAMES, 1.5)
    subject, alone = (bone_set_subject(folder, bones, classes, 1.5, d) for d in (donor, None))
    assert [sorted(np.unique(s.targets)) for s in (subject, alone)] == [[0, 1, 2], [0, 1]]
    for one in (subject, alone):
        assert one.hu is not None
        assert one.hu.shape == one.structures.shape == one.skin.shape
        assert (one.hu[one.targets == 1] == 700).all()
        assert np.count_nonzero(one.targets == 1) == np.count_nonzero((truth == 1) | (truth == 2))
    assert any(tissue.may_hold_gas for tissue in subject.tissues)


def test_a_label_map_of_bones_alone_gets_soft_tissue_but_no_second_bones() -> None:
    own = cut_out(body(0.9, 4.0))
    own.structures[2, 2, 2] = 1
    classes = {"hip": ["hip_*"], "femur": ["femur_*"]}
    made = with_soft_tissue(own, Body(body(1.0, 0.0), NAMES, 1.5), classes)
    names = {made.names[value] for value in np.unique(made.structures).tolist() if value}
    assert names == {"hip_left", "hip_right", "colon", "femur_left", "vertebrae_S1"}
    assert made.structures[2, 2, 2] == 0, "a speck is no bone"
    without = with_soft_tissue(own, Body(body(1.0, 0.0), NAMES, 1.5), {"all": ["hip_*", "femur_*", "vert*"]})
    assert {without.names[v] for v in np.unique(without.structures).tolist() if v} == {
        "hip_left",
        "hip_right",
        "colon",
    }
