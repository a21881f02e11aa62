"""Words for the places of fragments, on mean bones that are broken where their places meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.long_bones.axes import SEGMENT
from benchmarks.long_bones.shapes import voxelised
from operators.bones.reference_shapes import read_shape
from operators.dicom.sr.measurement_items import place_code
from operators.geometry.meshes import Mesh
from operators.geometry.volume import Box, LabelMap
from operators.measure.measured_bone import MeasuredBone, Rows
from operators.measure.measuring import measure_segment
from operators.measure.places import NO_FIT, NO_SIDE, add_places, place_of
from operators.packages.structures import Side, Structure, read_structures
from operators.segmentation.measurements import NotMeasurable, Place
from operators.segmentation.summary import fragment_name

SPACING_MM = 3.0


def structure(name: str, side: Side | None) -> Structure:
    return read_structures()[name].structure(name, side)


def broken_mean(of: Structure, below_mm: float, turn_deg: float = 0.0, longer: float = 1.0) -> LabelMap:
    """The mean bone, turned about the axis to the left and stretched upwards, in two fragments.

    The second is what lies more than so far below the middle.
    """
    assert of.places is not None
    shape = read_shape(of.places.shape)[of.side or "left"]
    turn = Rotation.from_euler("x", turn_deg, degrees=True).as_matrix()
    vertices = (shape.vertices * (1.0, 1.0, longer)) @ turn.T
    drawn = voxelised(Mesh(vertices.astype(np.float32), shape.faces), SPACING_MM)
    labels = drawn.labels.astype(np.uint8)
    voxels = drawn.grid.to_lps(np.argwhere(labels > 0).astype(float)) @ turn
    labels[labels > 0] = np.where(voxels[:, 2] < below_mm, 2, 1)
    return LabelMap(labels, drawn.grid)


def measured(label_map: LabelMap, of: Structure, side_unknown: bool = False) -> Rows:
    found = []
    for value in (1, 2):
        box = Box.around(label_map.labels == value)
        assert box is not None
        row = measure_segment(label_map, value, box.slices)
        segment = replace(SEGMENT, value=value, fragment=value, side_unknown=side_unknown)
        found.append((segment, row))
    return add_places(MeasuredBone(found, found, label_map, of), [row for _, row in found])


def places(label_map: LabelMap, of: Structure) -> list[tuple[str, ...]]:
    rows = [row.place for row in measured(label_map, of)]
    assert all(isinstance(place, Place) for place in rows), rows
    return [place.names for place in rows if isinstance(place, Place)]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("turn_deg", [0.0, 20.0])
def test_a_hip_bone_that_broke_above_the_socket(side: Side, turn_deg: float) -> None:
    hip = structure("hip", side)
    upper, lower = places(broken_mean(hip, 25.0, turn_deg), hip)
    assert upper == ("iliac wing", "posterior ilium")
    assert set(lower) == {"ischium", "acetabular roof", "posterior acetabulum"}


def test_a_sacrum_without_its_lower_end() -> None:
    sacrum = structure("sacrum", None)
    _, lower = places(broken_mean(sacrum, -30.0), sacrum)
    assert lower == ("lower sacrum",)


def test_a_thigh_bone_that_broke_above_the_knee() -> None:
    femur = structure("femur", "left")
    upper, lower = places(broken_mean(femur, -150.0, 160.0), femur)
    assert "middle shaft" in upper
    assert set(lower) == {"medial condyle", "lateral condyle", "supracondylar region"}


def test_what_does_not_fit_has_no_place() -> None:
    hip = structure("hip", "left")
    assert [row.place for row in measured(broken_mean(hip, 25.0, longer=2.5), hip)] == [NO_FIT] * 2


def test_a_bone_of_unknown_side_has_no_place() -> None:
    label_map = broken_mean(structure("hip", "left"), 25.0)
    rows = measured(label_map, structure("hip", None), side_unknown=True)
    assert [row.place for row in rows] == [NO_SIDE] * 2


def test_intact_bones_and_those_without_landmarks_are_left_as_they_are() -> None:
    hip = structure("hip", "left")
    rows = measured(broken_mean(hip, 25.0), structure("patella", "left"))
    assert [row.place for row in rows] == [None, None]
    bone = MeasuredBone([(SEGMENT, rows[0])], [(SEGMENT, rows[0])], broken_mean(hip, 25.0), hip)
    assert add_places(bone, rows[:1])[0].place is None


def test_every_place_has_its_own_code_that_dicom_can_hold() -> None:
    rows = (row.places for row in read_structures().values() if row.places)
    names = {name for row in rows for name in row.landmarks_mm}
    codes = {place_code(name).value for name in names}
    assert len(codes) == len(names)
    assert max(map(len, codes)) <= 16


def test_the_largest_place_is_named_even_if_there_are_many() -> None:
    names = tuple("abcdefghij")
    assert place_of(np.repeat(np.arange(10), 10), names).names == ("a",)
    assert place_of(np.array([1, 1, 1, 0, 0, 2]), names) == Place(("b", "a", "c"), (0.5, 1 / 3, 1 / 6))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Place(("iliac wing", "posterior ilium"), (0.6, 0.3)), "Fragment 2: iliac wing, posterior ilium"),
        (NotMeasurable("no"), "Fragment 2"),
        (None, "Fragment 2"),
    ],
)
def test_a_fragment_is_named_with_its_place(place: Place | NotMeasurable | None, name: str) -> None:
    hip = structure("hip", "left")
    row = replace(measured(broken_mean(hip, 25.0), structure("patella", "left"))[1], place=place)
    assert fragment_name(replace(SEGMENT, fragment=2), row) == name
