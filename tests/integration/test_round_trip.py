"""Osteon's results come back from other software with their places and their meaning."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread

from app.cli import app, execute
from app.label_files import Labelled, read_label_map
from operators.dicom.scan import scan
from operators.dicom.seg_writer import write_seg
from operators.dicom.series import Series
from operators.errors import OsteonError, UnreadableError, UnsuitableError, UsageError
from operators.imaging.packages import Code, Label
from operators.imaging.segmentation import Segmentation
from operators.imaging.volume import Grid, LabelMap
from tests import phantoms
from tests.integration.node_cases import system_tool
from tests.integration.seg_cases import ANATOMY, BONE, LEFT, bone, making, package, points_mm

RIGHT = Code("24028007", "SCT", "Right")
TISSUE = {"CodeValue": "85756007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Tissue"}
SHAPE, AFFINE = (24, 20, 12), phantoms.axial_affine((1.5, 1.2, 2.5), (-20.0, -10.0, 30.0))


def label(name: str, meaning: str, first: int, side: Code) -> Label:
    return Label(name, meaning, first, first + 9, ANATOMY, BONE, side, (1, 2, 3), name, name, 1.0)


LABELS = (
    label("left_hip_bone", "Left hip bone", 11, LEFT),
    label("right_hip_bone", "Right hip bone", 21, RIGHT),
)
SEGMENTS = (
    bone(11, fragment=1),
    bone(12, fragment=2),
    replace(bone(21, laterality=RIGHT), bone="right_hip_bone", label="Right hip bone"),
)


def labels_drawn() -> np.ndarray:
    """Two fragments that touch, the first with a hole, and another bone."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:12, 4:10, 2:7] = 11
    labels[6:8, 6:8, 3] = 0
    labels[12:15, 4:12, 4:8] = 12
    labels[16:22, 13:19, 1:10] = 21
    return labels


@pytest.fixture
def series(tmp_path: Path) -> Series:
    phantoms.write_ct(tmp_path / "ct", np.zeros(SHAPE, np.int16), AFFINE)
    return scan(tmp_path / "ct").series[0]


def own_seg(series: Series, path: Path, **options: str) -> Path:
    made = Segmentation(LabelMap(labels_drawn(), series.grid), SEGMENTS, package())
    return write_seg(made, making(made, series), path, **options)


def assert_came_back(read: Labelled, grid: Grid, expected: np.ndarray | None = None) -> None:
    """Every voxel of every value at its place in the patient."""
    label_map, notes = read
    truth = LabelMap(labels_drawn() if expected is None else expected, grid)
    assert notes == ()
    assert set(np.unique(label_map.labels)) == set(np.unique(truth.labels))
    for value in np.unique(truth.labels)[1:]:
        np.testing.assert_allclose(points_mm(label_map, value), points_mm(truth, value), atol=1e-3)


def image(labels: np.ndarray) -> SimpleITK.Image:
    made = SimpleITK.GetImageFromArray(labels.transpose())
    made.SetSpacing((1.5, 1.2, 2.5))
    made.SetOrigin((-20.0, -10.0, 30.0))
    return made


def renumbered(**values: int) -> np.ndarray:
    """The labels drawn, with other values: `v11=2` makes 11 a 2."""
    labels = labels_drawn()
    table = np.zeros(256, np.uint8)
    for name, value in values.items():
        table[int(name[1:])] = value
    return table[labels]


@pytest.mark.parametrize("profile", ["binary", "labelmap"])
def test_its_own_seg_has_the_packages_values_again(series: Series, tmp_path: Path, profile: str) -> None:
    path = own_seg(series, tmp_path / "seg.dcm", profile=profile)
    assert_came_back(read_label_map(path, LABELS), series.grid)


def dcmqi_seg(folder: Path, labels: np.ndarray, segments: list[dict[str, Any]]) -> Path:
    """What 3D Slicer writes with: a SEG by dcmqi's itkimage2segimage, of segments as its JSON says them."""
    SimpleITK.WriteImage(image(labels), str(folder / "labels.nrrd"))
    kinds = {"SegmentAlgorithmType": "MANUAL", "recommendedDisplayRGBValue": [1, 200, 3]}
    kinds |= {"SegmentedPropertyCategoryCodeSequence": TISSUE, "SegmentedPropertyTypeCodeSequence": TISSUE}
    said = {
        "ContentCreatorName": "Reader1", "ClinicalTrialSeriesID": "1", "ClinicalTrialTimePointID": "1",
        "SeriesDescription": "Segmentation", "SeriesNumber": "300", "InstanceNumber": "1",
        "segmentAttributes": [[kinds | segment for segment in segments]],
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(said))
    command = [
        Path(sys.executable).parent / "itkimage2segimage", "--inputImageList", folder / "labels.nrrd",
        "--inputDICOMDirectory", folder / "ct", "--outputDICOM", folder / "edited.dcm",
        "--inputMetadata", folder / "meta.json",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder / "edited.dcm"


def coded(code: Code) -> dict[str, str]:
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.scheme, "CodeMeaning": code.meaning}


def hip(side: Code) -> dict[str, Any]:
    return {
        "SegmentedPropertyTypeCodeSequence": coded(BONE),
        "SegmentedPropertyTypeModifierCodeSequence": coded(side),
    }


def test_a_seg_of_dcmqi_in_another_order_is_known_by_codes_and_by_names(
    series: Series, tmp_path: Path
) -> None:
    path = dcmqi_seg(tmp_path, renumbered(v11=3, v12=1, v21=2), [
        {"labelID": 1, "SegmentLabel": "Left hip bone, fragment 2"},
        {"labelID": 2, "SegmentLabel": "renamed by its reader"} | hip(RIGHT),
        {"labelID": 3, "SegmentLabel": "LEFT hip bone fragment 1"},
    ])  # fmt: skip
    assert "TrackingID" not in dcmread(path).SegmentSequence[0]
    assert_came_back(read_label_map(path, LABELS), series.grid)


def test_a_fragment_that_was_split_gets_the_next_free_value_of_its_bone(
    series: Series, tmp_path: Path
) -> None:
    split = labels_drawn()
    split[3:6][split[3:6] == 11] = 13
    table = np.zeros(256, np.uint8)
    table[[11, 12, 13, 21]] = 2, 3, 1, 4
    path = dcmqi_seg(tmp_path, table[split], [
        {"labelID": 1, "SegmentLabel": "Left hip bone, fragment"} | hip(LEFT),
        {"labelID": 2, "SegmentLabel": "Left hip bone, fragment 1"},
        {"labelID": 3, "SegmentLabel": "Left hip bone, fragment 2"},
        {"labelID": 4, "SegmentLabel": "Right hip bone"},
    ])  # fmt: skip
    assert_came_back(read_label_map(path, LABELS), series.grid, split)


def test_a_segment_that_nobody_named_is_refused_with_what_was_expected(
    series: Series, tmp_path: Path
) -> None:
    assert series.grid
    path = dcmqi_seg(tmp_path, renumbered(v11=1, v12=2), [
        {"labelID": 1, "SegmentLabel": "Left hip bone, fragment 1"},
        {"labelID": 2, "SegmentLabel": "Segment_4"},
    ])  # fmt: skip
    with pytest.raises(UnsuitableError, match=r"expected segments of Left hip.*got 'Segment_4' \(Tissue\)"):
        read_label_map(path, LABELS)


def test_segments_that_overlap_are_refused(series: Series, tmp_path: Path) -> None:
    dataset = dcmread(own_seg(series, tmp_path / "seg.dcm"))
    size = dataset.Rows * dataset.Columns // 8
    dataset.PixelData = dataset.PixelData[: 6 * size] * (dataset.NumberOfFrames // 6 + 1)
    dataset.PixelData = dataset.PixelData[: dataset.NumberOfFrames * size]
    dataset.save_as(tmp_path / "overlapping.dcm")
    with pytest.raises(UnreadableError, match=r"expected segments that do not overlap, got \d+ voxels"):
        read_label_map(tmp_path / "overlapping.dcm", LABELS)


def plastimatch_rtstruct(folder: Path, names: list[str]) -> Path:
    """Contours around the labels 1, 2, ... by plastimatch."""
    SimpleITK.WriteImage(image(renumbered(v11=1, v12=2, v21=4)), str(folder / "labels.nrrd"))
    rows = [f"{bit}|255\\0\\0|{name}\n" for bit, name in enumerate(names)]
    (folder / "names.txt").write_text("".join(rows))
    command = [
        system_tool("plastimatch"), "convert", "--input-ss-img", folder / "labels.nrrd", "--input-ss-list",
        folder / "names.txt", "--output-dicom", folder / "rt", "--referenced-ct", folder / "ct",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (path,) = (folder / "rt").glob("rtss*.dcm")
    return path


NAMES = ["left_hip_bone fragment 1", "Left hip bone, fragment 2", "Right hip bone"]


def test_an_rtstruct_of_plastimatch_comes_back_on_its_series(series: Series, tmp_path: Path) -> None:
    path = plastimatch_rtstruct(tmp_path, NAMES)
    assert_came_back(read_label_map(path, LABELS, series.grid), series.grid)


def test_an_rtstruct_is_exported_and_compared_by_the_commands(series: Series, tmp_path: Path) -> None:
    path, out = plastimatch_rtstruct(tmp_path, NAMES), tmp_path / "out"
    command = ["export", str(path), "-o", str(out), "--files", "nifti"]
    assert outcome(command) == UsageError.exit_code
    assert outcome([*command, "--images", str(tmp_path / "ct")]) == 0
    assert_came_back(read_label_map(out / "bones_dseg.nii.gz", LABELS), series.grid)


def outcome(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        execute(app, arguments)
    return int(str(ended.value.code))


def test_contours_between_slices_are_refused(series: Series, tmp_path: Path) -> None:
    path = plastimatch_rtstruct(tmp_path, NAMES)
    assert series.grid
    moved = series.grid.ijk_to_lps.copy()
    moved[2, 3] += 1.0
    with pytest.raises(UnreadableError, match=r"expected contours on slices of the series, got one 0.40"):
        read_label_map(path, LABELS, Grid(SHAPE, moved))


def test_a_nifti_of_itk_snap_has_its_meaning_from_the_table_beside_it(series: Series, tmp_path: Path) -> None:
    edited = tmp_path / "bones_dseg.nii.gz"
    SimpleITK.WriteImage(image(renumbered(v11=1, v12=2, v21=3)), str(edited))
    rows = "1\tLeft hip bone, fragment 1\t#ff0000\n2\tLeft hip bone, fragment 2\t\n3\tRight hip bone\t\n"
    (tmp_path / "bones_dseg.tsv").write_text(f"index\tname\tcolor\n{rows}")
    assert_came_back(read_label_map(edited, LABELS), series.grid)
    SimpleITK.WriteImage(image(renumbered(v11=1, v12=2, v21=4)), str(edited))
    with pytest.raises(OsteonError, match=r"expected values that have names \(1, 2, 3\), got \[4\] too"):
        read_label_map(edited, LABELS)


def test_a_nifti_without_a_table_has_the_packages_values(series: Series, tmp_path: Path) -> None:
    SimpleITK.WriteImage(image(labels_drawn()), str(tmp_path / "edited.nii.gz"))
    assert_came_back(read_label_map(tmp_path / "edited.nii.gz", LABELS), series.grid)


def test_a_segmentation_of_slicer_has_its_meaning_from_its_header(series: Series, tmp_path: Path) -> None:
    made = image(renumbered(v11=1, v12=2, v21=7))
    for n, (value, name) in enumerate({1: NAMES[0], 2: NAMES[1], 7: NAMES[2]}.items()):
        made.SetMetaData(f"Segment{n}_Name", name)
        made.SetMetaData(f"Segment{n}_LabelValue", str(value))
    SimpleITK.WriteImage(made, str(tmp_path / "edited.seg.nrrd"))
    assert_came_back(read_label_map(tmp_path / "edited.seg.nrrd", LABELS), series.grid)
