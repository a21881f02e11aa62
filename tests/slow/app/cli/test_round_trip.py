"""Results keep their positions and meanings on a round trip through other software."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread

from app.cli.command_line import execute
from app.cli.commands import app
from operators.dicom.headers.series import Series
from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OsteonError, UnreadableError, UnsuitableError, UsageError
from operators.geometry.volume import Grid, LabelMap
from operators.image_files.label_files import read_label_map
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.round_trip_cases import (
    AFFINE,
    LABELS,
    RIGHT,
    SEGMENTS,
    SHAPE,
    assert_came_back,
    dcmqi_seg,
    hip,
    image,
    labels_drawn,
    plastimatch_rtstruct,
    renumbered,
)
from tests.support.dicom.seg_cases import LEFT, package, provenance


@pytest.fixture
def series(tmp_path: Path) -> Series:
    phantoms.write_ct(tmp_path / "ct", np.zeros(SHAPE, np.int16), AFFINE)
    return scan(tmp_path / "ct").series[0]


def grid_of(series: Series) -> Grid:
    assert series.grid is not None
    return series.grid


def own_seg(series: Series, path: Path, **options: str) -> Path:
    made = Segmentation(LabelMap(labels_drawn(), grid_of(series)), SEGMENTS, package())
    return write_seg(made, provenance(made, series), path, **options)


@pytest.mark.parametrize("profile", ["binary", "labelmap"])
def test_its_own_seg_has_the_packages_values_again(series: Series, tmp_path: Path, profile: str) -> None:
    path = own_seg(series, tmp_path / "seg.dcm", profile=profile)
    assert_came_back(read_label_map(path, LABELS), grid_of(series))


def test_its_own_rtstruct_has_the_packages_values_again(series: Series, tmp_path: Path) -> None:
    made = Segmentation(LabelMap(labels_drawn(), grid_of(series)), SEGMENTS, package())
    path = write_structures(made, provenance(made, series), tmp_path / "structures.dcm")
    assert_came_back(read_label_map(path, LABELS, series.grid), grid_of(series))


def test_a_seg_of_dcmqi_in_another_order_is_known_by_codes_and_by_names(
    series: Series, tmp_path: Path
) -> None:
    path = dcmqi_seg(
        tmp_path,
        renumbered(v11=3, v12=1, v21=2),
        [
            {"labelID": 1, "SegmentLabel": "Left hip bone, fragment 2"},
            {"labelID": 2, "SegmentLabel": "renamed by its reader"} | hip(RIGHT),
            {"labelID": 3, "SegmentLabel": "LEFT hip bone fragment 1"},
        ],
    )
    assert "TrackingID" not in dcmread(path).SegmentSequence[0]
    assert_came_back(read_label_map(path, LABELS), grid_of(series))


def test_a_fragment_that_was_split_gets_the_next_free_value_of_its_bone(
    series: Series, tmp_path: Path
) -> None:
    split = labels_drawn()
    split[3:6][split[3:6] == 11] = 13
    table = np.zeros(256, np.uint8)
    table[[11, 12, 13, 21]] = 2, 3, 1, 4
    path = dcmqi_seg(
        tmp_path,
        table[split],
        [
            {"labelID": 1, "SegmentLabel": "Left hip bone, fragment"} | hip(LEFT),
            {"labelID": 2, "SegmentLabel": "Left hip bone, fragment 1"},
            {"labelID": 3, "SegmentLabel": "Left hip bone, fragment 2"},
            {"labelID": 4, "SegmentLabel": "Right hip bone"},
        ],
    )
    assert_came_back(read_label_map(path, LABELS), grid_of(series), split)


def test_a_segment_that_nobody_named_is_refused_with_what_was_expected(
    series: Series, tmp_path: Path
) -> None:
    assert series.grid
    path = dcmqi_seg(
        tmp_path,
        renumbered(v11=1, v12=2),
        [
            {"labelID": 1, "SegmentLabel": "Left hip bone, fragment 1"},
            {"labelID": 2, "SegmentLabel": "Segment_4"},
        ],
    )
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


NAMES = ["left_hip_bone fragment 1", "Left hip bone, fragment 2", "Right hip bone"]


def test_an_rtstruct_of_plastimatch_comes_back_on_its_series(series: Series, tmp_path: Path) -> None:
    path = plastimatch_rtstruct(tmp_path, NAMES)
    assert_came_back(read_label_map(path, LABELS, series.grid), grid_of(series))


def test_an_rtstruct_is_exported_and_compared_by_the_commands(series: Series, tmp_path: Path) -> None:
    path, out = plastimatch_rtstruct(tmp_path, NAMES), tmp_path / "out"
    command = ["export", str(path), "-o", str(out), "--files", "nifti"]
    assert outcome(command) == UsageError.exit_code
    assert outcome([*command, "--images", str(tmp_path / "ct")]) == 0
    assert_came_back(read_label_map(out / "bones_dseg.nii.gz", LABELS), grid_of(series))


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
    assert_came_back(read_label_map(edited, LABELS), grid_of(series))
    SimpleITK.WriteImage(image(renumbered(v11=1, v12=2, v21=4)), str(edited))
    with pytest.raises(OsteonError, match=r"expected only values with names \(1, 2, 3\), got \[4\] too"):
        read_label_map(edited, LABELS)


def test_a_nifti_without_a_table_has_the_packages_values(series: Series, tmp_path: Path) -> None:
    SimpleITK.WriteImage(image(labels_drawn()), str(tmp_path / "edited.nii.gz"))
    assert_came_back(read_label_map(tmp_path / "edited.nii.gz", LABELS), grid_of(series))


def test_a_segmentation_of_slicer_has_its_meaning_from_its_header(series: Series, tmp_path: Path) -> None:
    made = image(renumbered(v11=1, v12=2, v21=7))
    for n, (value, name) in enumerate({1: NAMES[0], 2: NAMES[1], 7: NAMES[2]}.items()):
        made.SetMetaData(f"Segment{n}_Name", name)
        made.SetMetaData(f"Segment{n}_LabelValue", str(value))
    SimpleITK.WriteImage(made, str(tmp_path / "edited.seg.nrrd"))
    assert_came_back(read_label_map(tmp_path / "edited.seg.nrrd", LABELS), grid_of(series))
