"""Three packages that share their networks: each runs once, and each package finds what it delivers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, Grid
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.seen import NOT_SEEN, SEGMENTED
from operators.pipelines import coarse_to_fine, several
from operators.segmentation.segmentation import Segmentation
from tests.support.packages.limbs_package import (
    AFFINE,
    NEIGHBOURS_MM,
    SHAPE,
    KnowingNetworks,
    depths_mm,
    expected_bones,
    limbs_ct,
    write_trio,
)

U = depths_mm(SHAPE, AFFINE)
BY_PACKAGE = {
    "middles": {"middle", "side_left", "side_right"},
    "plates": {"plate"},
    "rods": {"rod_left", "rod_right"},
}
Trio = tuple[CoarseToFinePackage, ...]


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Trio:
    return write_trio(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def made(trio: Trio) -> Segmentation:
    """What all three find in the whole scan."""
    return segmented(volume(), trio)


def volume(low_mm: float = -156.0, high_mm: float = 156.0) -> CtVolume:
    """A CT that shows only what lies between two depths; the rest is cut off."""
    first, last = (int(np.searchsorted(U[:, 0, 0], edge)) for edge in (low_mm, high_mm))
    affine = AFFINE.copy()
    affine[0, 3] += first * affine[0, 0]
    return CtVolume(limbs_ct()[first:last], Grid((last - first, *SHAPE[1:]), affine, "1.2.3"))


def segmented(
    ct: CtVolume, packages: tuple[CoarseToFinePackage, ...], networks: KnowingNetworks | None = None
) -> Segmentation:
    return several.segment(ct, packages, networks or KnowingNetworks(), lambda *_: None)


def patches(ct: CtVolume, packages: tuple[CoarseToFinePackage, ...]) -> dict[str, int]:
    networks = KnowingNetworks()
    segmented(ct, packages, networks)
    return dict(networks.patches)


def inner(bone: str) -> NDArray[np.bool_]:
    """Voxels of a bone that are not at a surface, nor at the scan's edge."""
    mask = expected_bones(U)[bone].copy()
    for edge_mm in (-3.1, 3.1):
        mask &= expected_bones(U + np.float32(edge_mm))[bone]
    mask[:, [0, 1, -1, -2]] = mask[:, :, [0, 1, -1, -2]] = False
    return mask


def test_weights_that_differ_run_for_themselves(trio: Trio) -> None:
    other = replace(trio[1], coarse=replace(trio[1].coarse, sha256="0" * 64))
    shared, apart = patches(volume(), trio), patches(volume(), (trio[0], other, trio[2]))
    assert apart["coarse"] == 2 * shared["coarse"]
    assert apart["fine"] > shared["fine"]  # its guide is another look's


def test_each_bone_is_that_of_the_package_that_delivers_it(made: Segmentation) -> None:
    labels = made.label_map.labels
    for name, bones in BY_PACKAGE.items():
        for bone in bones:
            values = [segment.value for segment in made.segments if segment.bone == bone]
            assert np.isin(labels[inner(bone)], values).mean() > 0.99, bone
            assert made.package.maker_of(bone).name == name
    low, high = NEIGHBOURS_MM["shadow"]
    assert not labels[(low + 3.1 < U) & (high - 3.1 > U)].any()
    assert not made.warnings
    assert [(each.package, each.state) for each in made.outcomes] == [
        (name, SEGMENTED) for name in BY_PACKAGE
    ]


def test_the_look_says_what_is_there_and_where(made: Segmentation) -> None:
    seen = {each.name: each for each in made.seen}
    assert set(seen) == {"middle", "side_left", "side_right", "rod", "plate", "shadow"}
    assert all(each.network_mean > 0.5 for each in seen.values())
    plate = seen["plate"]
    # The plate is 22 mm thick and fills the block's other sides of 102 mm; voxels of the look have 5 mm
    assert plate.low_mm[0] == pytest.approx(70, abs=5)
    assert plate.high_mm[0] == pytest.approx(92, abs=5)
    assert plate.volume_ml == pytest.approx(22 * 102 * 102 / 1000, rel=0.35)


def test_a_package_whose_bones_are_not_there_is_listed_as_not_seen(trio: Trio) -> None:
    made = segmented(volume(-60, 100), trio)
    assert [each.state for each in made.outcomes] == [SEGMENTED, SEGMENTED, NOT_SEEN]
    assert "no rods found" in made.outcomes[2].sentence
    assert not made.warnings
    assert {segment.bone for segment in made.segments} <= BY_PACKAGE["middles"] | BY_PACKAGE["plates"]
    assert "shadow" not in {each.name for each in made.seen}


def test_where_no_package_finds_its_bones_the_reason_says_what_was_seen(trio: Trio) -> None:
    with pytest.raises(
        UnsuitableError, match=r"no plates found.*; it shows shadow \([01]\.\d\d\)"
    ) as refused:
        segmented(volume(-98, -68), trio[1:])
    assert refused.value.code == "anatomy_not_found"
    air = CtVolume(np.full(SHAPE, int(-1e3), np.int16), Grid(SHAPE, AFFINE, "1.2.3"))
    with pytest.raises(UnsuitableError, match="it shows none of the known bones"):
        segmented(air, trio)


def test_bones_without_a_label_are_named_in_a_warning_or_in_the_refusal(trio: Trio) -> None:
    left, right = (
        replace(label, detection=replace(label.found_by, instances="by_bone")) for label in trio[2].labels
    )
    unknown = replace(left, structure=replace(left.structure, laterality=None))
    one, none = replace(trio[2], labels=(unknown, right)), replace(trio[2], labels=(right,))
    text = r"Bone \(side unknown\): a bone of \d+ ml, for which the package has no label left, was left out"
    (warning,) = coarse_to_fine.segment(volume(), one, KnowingNetworks(), lambda *_: None).warnings
    assert re.fullmatch(rf"{text}\.", warning)
    with pytest.raises(UnsuitableError, match=rf"no rods found: expected .* scan; {text}; {text}$"):
        coarse_to_fine.segment(volume(), none, KnowingNetworks(), lambda *_: None)


def test_fragments_lie_in_the_bone_of_the_package_that_delivers_it(made: Segmentation) -> None:
    assert {segment.bone for segment in made.segments if segment.fragment is not None} == {"rod_left"}
