"""The networks of a row of bones are run as they were trained: the image beside a memory, or an outline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.iterative.traversal import Instances
from operators.bones.regions import kept_classes, of_neighbours
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.iterative import MEMORY, ONE_BY_ONE_CLASSES
from operators.packages.packages import NetworkSpec
from operators.pipelines.rows import (
    SeenRow,
    evidence_of,
    is_shown_beside,
    level_evidence,
    level_patch,
    outline_row,
)
from tests.support.bones.synthetic_levels import RULES
from tests.support.bones.synthetic_rows import PATCH, SIDE, SPACING_MM, MadeNetwork, row_of_blocks
from tests.support.bones.synthetic_rows import RULES as FOUND_RULES
from tests.support.dicom.seg_cases import package


class MadeNetworks(Networks):
    """Networks by their names: one outlines the highest bone that is not in memory, one scores its level."""

    def __init__(self) -> None:
        super().__init__(Device())
        self.made = MadeNetwork()
        self.seen: list[NDArray[np.float32]] = []

    def get(self, spec: NetworkSpec) -> Any:
        return self.outline if spec.name == "instance" else self.score

    def outline(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        found = self.made(np.rint(image[0] * 10).astype(np.float32), image[1] > 0)
        return np.log(np.maximum(found, 1e-6))

    def score(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(image)
        scores = np.zeros(1 + len(RULES.levels) + len(RULES.regions) + 1, np.float32)
        scores[1 + round(float(np.median(image[0][image[1] > 0])) * 10)] = 5.0
        scores[-1] = -2.0
        return scores

    def rest(self) -> None:
        pass


def spec(name: str, classes: tuple[str, ...], guide: tuple[str, ...], spacing_mm: float) -> NetworkSpec:
    return NetworkSpec(
        name, "unet", {}, Path("w"), name, (spacing_mm,) * 3, PATCH, (0.0, 10.0), classes, guide
    )


def row_package() -> CoarseToFinePackage:
    made = package()
    assert isinstance(made, CoarseToFinePackage)
    return replace(
        made,
        instance=spec("instance", ONE_BY_ONE_CLASSES, (MEMORY,), SPACING_MM),
        level=spec(
            "level",
            ("background", *RULES.levels, "region_0", "region_1", "region_2", "ribs"),
            ("outline",),
            3.0,
        ),
        iterative=FOUND_RULES,
        levels=RULES,
    )


@pytest.fixture(scope="module")
def outlined() -> tuple[Instances, Any, MadeNetworks]:
    labels, end = row_of_blocks(5)
    grid = Grid(labels.shape, np.diag([SPACING_MM] * 3 + [1.0]), "1.2.6")
    networks = MadeNetworks()
    begin = np.zeros(labels.shape, np.bool_)
    begin[:, :, -2:] = True
    seen = SeenRow(labels > 0, begin, end > 0, grid)
    found, row = outline_row(CtVolume(labels.astype(np.float32), grid), seen, row_package(), networks)
    return found, row, networks


def test_a_row_is_outlined_at_the_networks_spacing(outlined: tuple[Instances, Any, MadeNetworks]) -> None:
    found, row, _ = outlined
    assert [each.voxels for each in found.found] == [SIDE**3] * 5
    assert found.reaches_end
    assert row.grid.spacing_mm == (SPACING_MM,) * 3


def test_each_bone_is_named_with_its_outline_in_the_middle(
    outlined: tuple[Instances, Any, MadeNetworks],
) -> None:
    found, row, networks = outlined
    evidence = level_evidence(found, row, row_package(), networks, row.grid)
    assert [int(np.argmax(each.levels)) for each in evidence] == [1, 2, 3, 4, 5]
    assert [each.is_first for each in evidence] == [True, False, False, False, False]
    assert [each.is_last for each in evidence] == [False, False, False, False, True]
    assert all(each.ribs == -2.0 for each in evidence)
    for image in networks.seen:
        assert image.shape == (2, *PATCH)
        assert np.argwhere(image[1] > 0).mean(axis=0) == pytest.approx((np.array(PATCH) - 1) / 2, abs=0.7)
        size_mm3 = np.count_nonzero(image[1]) * 3.0**3
        assert size_mm3 == pytest.approx((SIDE * SPACING_MM) ** 3, rel=0.35)


@pytest.mark.parametrize(("narrower", "shown"), [(0, True), (5, False)])
def test_ribs_count_where_the_scan_shows_both_sides_of_a_bone(
    outlined: tuple[Instances, Any, MadeNetworks], narrower: int, shown: bool
) -> None:
    found, row, networks = outlined
    source = row.grid.crop(Box((0, 0, 0), (row.grid.shape[0] - narrower, *row.grid.shape[1:])))
    assert is_shown_beside(found.found[1], row, source, 15.0) == shown
    evidence = level_evidence(found, row, row_package(), networks, source)
    assert {each.ribs is not None for each in evidence} == {shown}


def test_a_patch_that_leaves_the_scan_is_air_there(outlined: tuple[Instances, Any, MadeNetworks]) -> None:
    found, row, _ = outlined
    package = row_package()
    assert package.level is not None
    image = level_patch(found.found[0], row, package.level)
    assert image[0][:, :, -1].max() == 0.0


def test_scores_become_log_probabilities() -> None:
    scores = np.random.default_rng(1).normal(0, 2, 1 + len(RULES.levels) + 3 + 1).astype(np.float32)
    evidence = evidence_of(scores, RULES, is_partial=True)
    assert np.exp(evidence.levels).sum() == pytest.approx(1.0)
    assert np.exp(evidence.regions).sum() == pytest.approx(1.0)
    assert len(evidence.levels) == len(RULES.levels)
    assert evidence.is_partial


def test_what_belongs_to_neighbours_is_their_probability_and_nothing_without_any() -> None:
    made = row_package()
    assert made.iterative is not None
    plain = len(kept_classes(made))
    fine = replace(made.fine, classes=(*made.fine.classes, "neighbour"))
    beside = replace(made, fine=fine, iterative=replace(made.iterative, neighbours=("neighbour",)))
    assert kept_classes(beside) == (*kept_classes(made), "neighbour")
    channels = np.random.default_rng(2).random((2 + plain + 1, 3, 4, 5), dtype=np.float32)
    np.testing.assert_array_equal(of_neighbours(channels, beside), channels[1 + plain])
    assert not np.any(of_neighbours(channels[:-1], made))
