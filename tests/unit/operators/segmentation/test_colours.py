"""Colours of fragments are distinguishable by eye: distances in CIELab."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from highdicom.color import CIELabColor

from operators.package_files.package_reader import read_packages
from operators.packages.packages import ModelPackage
from operators.segmentation.colours import cielab, fragment_colour, sharing

MODELS = Path(__file__).parents[4] / "models"
# CIE76: 2.3 is just noticed (Mahy et al. 1994); 25 are colours of other names
CLEARLY, VERY_CLEARLY = 25.0, 45.0


def distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    return float(np.linalg.norm(cielab(np.array(one)) - cielab(np.array(other))))


@pytest.mark.parametrize(
    "package", [each for each in read_packages(MODELS) if each.labels], ids=lambda package: package.name
)
@pytest.mark.parametrize(("most", "least", "sideless"), [(10, CLEARLY, True), (3, VERY_CLEARLY, False)])
def test_fragments_lie_clearly_apart_from_each_other_and_from_every_whole_bone(
    package: ModelPackage, most: int, least: float, sideless: bool
) -> None:
    labels = package.labels
    # A bone of unknown side stands for one that has one: of a pair, two of the labels are used at most
    named = [
        (label.name, n + 1)
        for label in labels
        if sideless or not label.is_of_unknown_side
        for n in range(min(most, len(label.values)))
    ]
    shared = sharing(labels)
    # Bones of a row that are three or more apart have the same colours
    of_place = {(shared[bone], n): fragment_colour(labels, bone, n) for bone, n in named}
    fragments = list(of_place.values())
    bones = [label.structure.rgb for label in labels]
    pairs = [*combinations(fragments, 2), *product(fragments, bones)]
    assert min(distance(one, other) for one, other in pairs) >= least


def test_neighbours_in_a_row_and_their_neighbours_have_other_colours() -> None:
    (labels,) = (each.labels for each in read_packages(MODELS) if each.names == "vertebral_levels")
    shared = [sharing(labels)[label.name] for label in labels]
    assert all(shared[n] not in shared[n + 1 : n + 3] for n in range(len(shared)))


def test_bones_with_few_values_leave_their_places_to_the_others() -> None:
    labels = read_packages(MODELS)[0].labels
    every = [(label.name, n + 1) for label in labels for n in range(len(label.values))]
    used = [fragment_colour(labels, bone, fragment) for bone, fragment in every]
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (177, 122, 101), (10, 200, 30)])
def test_cielab_is_that_of_highdicom(rgb: tuple[int, int, int]) -> None:
    light, a, b = CIELabColor.from_rgb(*rgb).value
    theirs = (light / 65535 * 100, a / 65535 * 255 - 128, b / 65535 * 255 - 128)
    np.testing.assert_allclose(cielab(np.array(rgb)), theirs, atol=0.6)
