"""A bone of a pair whose side is not known bears none in any result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operators.dicom.seg.segment_descriptions import segment_description, side_of
from operators.package_files.label_tables import FoundLabelTable
from operators.packages.packages import Label
from operators.packages.structures import read_structures
from operators.segmentation.segments import segment_of
from operators.segmentation.summary import bone_name
from tests.support.dicom.seg_cases import grid, provenance, segmentation, series


def label(instances: str | None, side: str | None = None) -> Label:
    table = {
        "structure": "femur",
        "side": side,
        "first_value": 1,
        "last_value": 5,
        "coarse_class": "limb",
        "fine_class": "limb",
        "minimum_ml": 1.0,
        "instances": instances,
    }
    return FoundLabelTable.model_validate(table).label(read_structures(Path("models")))


@pytest.mark.parametrize(("fragment", "text"), [(None, ""), (2, " fragment 2")])
def test_a_bone_of_unknown_side_says_so_and_has_no_laterality(fragment: int | None, text: str) -> None:
    own = label("by_bone")
    segment = segment_of(own, [own], 1, fragment, 100.0, 0.9)
    assert segment.label == f"Femur (side unknown){text}"
    assert segment.laterality is None
    assert bone_name(segment) == "Femur (side unknown)"
    made = segmentation(np.ones(grid().shape, np.uint8), grid(), segment)
    description = segment_description(1, segment, provenance(made, series(grid())))
    assert side_of(description) is None


def test_a_bone_of_known_side_and_a_class_of_both_sides_are_named_as_ever() -> None:
    left, both = label("by_bone", "left"), label(None)
    assert bone_name(segment_of(left, [left], 1, None, 1.0, 0.9)) == "Femur, left"
    assert bone_name(segment_of(both, [both], 1, None, 1.0, 0.9)) == "Femur"
