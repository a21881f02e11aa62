"""Volumes reach the browser on their place in the patient, places lie in segments, tables say what."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from app.web.viewing.marks import find_marks
from app.web.viewing.nifti_stream import compressed, stream, stream_bytes
from app.web.viewing.radiographs import polygons
from app.web.viewing.still import still_picture
from app.web.viewing.surfaces import surfaces_of
from app.web.viewing.tables import fracture_rows, grade_of, segment_rows, values_in
from app.web.viewing.volumes import first_picture, thinned
from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_reader import SegmentInfo
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.image_files.label_files import RAS_TO_LPS
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import ANATOMY, BONE

AFFINES = {
    "axial": phantoms.axial_affine(),
    "tilted": phantoms.tilted_affine(),
    "oblique": phantoms.oblique_affine(),
}


def info(value: int, fragment: int | None = None, bone: str = "b") -> SegmentInfo:
    return SegmentInfo(value, f"Bone {value}", bone, fragment, ANATOMY, BONE, BONE, None, "1.2", (1, 2, 3))


@pytest.mark.parametrize("name", AFFINES)
def test_each_voxel_of_a_stream_is_at_its_place_and_axes_run_to_ras(name: str) -> None:
    on = Grid((7, 6, 5), AFFINES[name])
    values = phantoms.position_volume(on.shape, on.ijk_to_lps)
    content = b"".join(stream(values, on))
    assert len(content) == stream_bytes(values)
    image = nibabel.Nifti1Image.from_bytes(content)
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert np.allclose(image.header.get_zooms(), np.linalg.norm(image.affine[:3, :3], axis=0), atol=1e-4)
    back = phantoms.position_volume(image.shape, RAS_TO_LPS @ image.affine)
    assert np.abs(np.asarray(image.dataobj) - back).max() <= 1


@pytest.mark.parametrize("name", AFFINES)
def test_a_still_picture_has_the_middle_planes_where_the_viewer_has_them(name: str) -> None:
    on = Grid((40, 30, 20), AFFINES[name])
    hu = np.full(on.shape, -1000, np.int16)
    # In each plane something of the patient's right, front and upper end, as far as they lie in it
    middle = np.array(on.shape) // 2
    far = np.abs(on.ijk_to_lps[:3, :3]).argmax(axis=1)
    ends = {}
    for letter, (axis, sign) in {"R": (0, -1), "A": (1, -1), "S": (2, 1)}.items():
        along = sign * on.ijk_to_lps[axis, far[axis]] > 0
        ends[letter] = (far[axis], slice(-6, -2) if along else slice(2, 6))
    for pair in ("RS", "AS", "RA"):
        place = [slice(m - 1, m + 2) for m in middle]
        for letter in pair:
            place[ends[letter][0]] = ends[letter][1]
        hu[tuple(place)] = 1300
    picture = np.asarray(Image.open(BytesIO(still_picture(CtVolume(hu, on), (-500, 1300)))))
    sizes = [on.shape[far[axis]] * on.spacing_mm[far[axis]] for axis in range(3)]
    scale = picture.shape[0] / (sizes[1] + sizes[2])
    row, column = round(sizes[2] * scale), round(sizes[0] * scale)
    tiles = picture[:row, :column], picture[:row, column:], picture[row:, :column]
    sides = []
    for tile in tiles:
        rows, columns = np.nonzero(tile > 128)
        sides.append((rows.mean() < tile.shape[0] / 2, columns.mean() < tile.shape[1] / 2))
    # Upper and right, upper and front, front and right
    assert sides == [(True, True), (True, False), (True, True)]
    assert not picture[row:, column:].any()


def test_labels_are_packed() -> None:
    labels = np.zeros((64, 64, 8), np.uint8)
    packed = b"".join(compressed(stream(labels, Grid(labels.shape, np.eye(4)))))
    assert len(packed) < labels.nbytes / 50
    assert len(gzip.decompress(packed)) == stream_bytes(labels)


@pytest.mark.parametrize("keep", [range(12), (*range(4), *range(5, 12))])
def test_fewer_slices_keep_their_values_and_places(tmp_path: Path, keep: tuple[int, ...]) -> None:
    affine = phantoms.axial_affine()
    phantoms.write_ct(tmp_path, phantoms.position_volume((8, 6, 12), affine), affine, keep=keep)
    (series,) = scan(tmp_path).series
    small = first_picture(thinned(series, 3))
    assert series.grid is not None
    assert small.grid.shape[2] == -(-series.grid.shape[2] // 3)
    expected = phantoms.position_volume(small.grid.shape, small.grid.ijk_to_lps)
    assert np.abs(small.hu - expected).max() <= 1
    assert series.grid.strided((2, 3, 1)).shape[:2] == (4, 2)


def test_a_mark_lies_in_its_segment_and_one_between_fragments_that_meet() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    # A ring, whose middle is outside
    labels[4:16, 4:16, 3:8] = 1
    labels[7:13, 7:13, 3:8] = 0
    labels[4:16, 4:16, 9:12] = 2
    labels[0, 0, 19] = 3
    on = LabelMap(labels, Grid(labels.shape, phantoms.axial_affine()))
    marks = {mark.values: mark for mark in find_marks(on, [info(1, 1), info(2, 2), info(3, 3), info(4, 4)])}
    assert set(marks) == {(1,), (2,), (3,), (1, 2)}
    found = {values: on.grid.to_ijk(np.array([mark.lps_mm]))[0].round() for values, mark in marks.items()}
    assert {values: labels[tuple(at.astype(int))] for values, at in found.items() if len(values) == 1} == {
        (1,): 1,
        (2,): 2,
        (3,): 3,
    }
    assert 8 <= found[1, 2][2] <= 10


def test_surfaces_are_in_ras_mm_with_the_colour_of_their_segment() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:15, 5:15, 5:15] = 2
    on = Grid(labels.shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    (part,) = surfaces_of(LabelMap(labels, on), [info(1), info(2)])
    assert (part["value"], part["colour"]) == (2, [1, 2, 3])
    points = np.frombuffer(base64.b64decode(part["vertices"]), "<f4").reshape(-1, 3)
    assert np.allclose(points.mean(axis=0), (-19, -19, 19), atol=0.2)


REPORT = {
    "segments": [
        {
            "bone": "b",
            "fragment": 1,
            "confidence": 0.95,
            "volume_ml": 12.34,
            "measurements": {"volume_mm3": {"value": 12340}, "diameter_mm": {"value": 30, "uncertainty": 2}},
            "whole_bone": {"neck_shaft_deg": {"value": 127.5}, "length_mm": {"not_measurable": "cut"}},
        },
        {"bone": "b", "fragment": 2, "confidence": 0.5, "volume_ml": 2.0, "fracture_probability": 0.8,
         "measurements": {"gap": {"mean_mm": 1.0, "greatest_mm": 2.5}}},
    ],
    "contacts": [{"bone": "b", "fragments": [1, 2], "probability": 0.9}],
}  # fmt: skip


def test_a_segment_is_told_with_its_measurements_and_graded() -> None:
    rows = segment_rows([info(1, 1), info(2, 2), info(3, bone="other")], REPORT)
    assert [(row.grade, row.percent, row.volume) for row in rows] == [
        ("good", "95%", "12.3 ml"),
        ("bad", "50%", "2.0 ml"),
        ("", "–", "–"),
    ]
    assert rows[0].measurements == ("diameter 30.0 ± 2.0 mm", "neck shaft 127.5°")
    assert grade_of(0.7) == "warn"
    assert list(values_in({"heights_mm": {"anterior": {"value": 9}}})) == ["heights anterior 9.0 mm"]


def test_a_fracture_is_told_by_its_contact_or_by_its_lesser_fragments() -> None:
    (row,) = fracture_rows([info(1, 1), info(2, 2)], REPORT)
    assert (row.values, row.between, row.probability) == ((1, 2), "fragment 1 – fragment 2", "90%")
    assert row.gap == "1.0 mm, at most 2.5"
    (alone,) = fracture_rows([info(1, 1), info(2, 2)], {**REPORT, "contacts": []})
    assert (alone.values, alone.probability) == ((2,), "80%")
    assert [row.probability for row in fracture_rows([info(1, 1), info(2, 2)], {})] == ["–"]
    assert fracture_rows([replace(info(1))], REPORT) == []


def test_an_outline_runs_along_the_borders_of_pixels() -> None:
    inside = np.zeros((5, 6), bool)
    inside[1:3, 2:5] = True
    (points,) = polygons(inside)
    places = np.array([point.split(",") for point in points.split()], float)
    assert (places.min(axis=0).tolist(), places.max(axis=0).tolist()) == ([2.0, 1.0], [5.0, 3.0])
    assert json.dumps(polygons(np.zeros((3, 3), bool))) == "[]"
