"""The provenance in a DICOM SEG, and its label map profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.headers.series import Series
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_reader import read_seg, read_seg_on
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.seg_cases import (
    blobs,
    bone,
    grid,
    header,
    multi_frame,
    package,
    points_mm,
    provenance,
    segmentation,
    series,
)
from tests.unit.operators.dicom.seg.test_seg import validator_errors
from tests.unit.operators.dicom.seg.test_seg_others import dcmqi_points_mm

MADE = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))


def written(folder: Path, sha256: str = "ab" * 32, **attributes: object) -> Dataset:
    made = replace(MADE, package=package(sha256))
    source = series(grid(), header(**attributes))
    return dcmread(write_seg(made, provenance(made, source), folder / "seg.dcm"))


def test_the_algorithm_is_named_with_its_version_and_the_checksum_of_its_weights(tmp_path: Path) -> None:
    for segment in written(tmp_path).SegmentSequence:
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Osteon bones", "1.2.0")
        assert "ab" * 32 in algorithm.AlgorithmParameters


def test_contributing_equipment_names_the_algorithm_and_changes_with_the_weights(tmp_path: Path) -> None:
    first, second = written(tmp_path), written(tmp_path, sha256="cd" * 32)
    ours, other = first.ContributingEquipmentSequence[0], second.ContributingEquipmentSequence[0]
    assert (ours.Manufacturer, ours.ManufacturerModelName) == ("Osteon", "Osteon bones")
    assert list(ours.SoftwareVersions) == ["0.1.0", "bones 1.2.0"]
    assert ours.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert "not for diagnosis" in ours.ContributionDescription
    assert ours.DeviceUID == first.DeviceUID != other.DeviceUID
    assert ours.DeviceSerialNumber != other.DeviceSerialNumber


def test_tracking_uids_differ_by_fragment_and_stay_the_same_when_made_again(tmp_path: Path) -> None:
    first, again = written(tmp_path), written(tmp_path)
    uids = [segment.TrackingUID for segment in first.SegmentSequence]
    assert len(set(uids)) == 2
    assert uids == [segment.TrackingUID for segment in again.SegmentSequence]
    assert [s.TrackingID for s in first.SegmentSequence] == [
        "left_hip_bone fragment 1",
        "left_hip_bone fragment 2",
    ]


def test_the_series_says_what_it_is_of_which_series_and_that_it_is_not_for_diagnosis(tmp_path: Path) -> None:
    described = written(tmp_path, SeriesNumber=4).SeriesDescription
    assert described == "AI Bones and fragments segments, series 4 (not for diagnosis)"
    assert written(tmp_path).SeriesDescription == "AI Bones and fragments segments (not for diagnosis)"


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("made-up bones of all kinds", "made-up segments"), ("", "segments"), ("bones   ", "bones segments"),
        ("extraordinarily long", "segments"),
    ],
)  # fmt: skip
def test_a_title_that_is_cut_or_left_out_leaves_one_space(title: str, text: str) -> None:
    source = series(grid(), header(SeriesNumber=1))
    made = replace(provenance(MADE, source), revision=10)
    described = replace(made, package=replace(made.package, title=title)).description("segments")
    assert described == f"AI {text}, series 1, replaces v9 (not for diagnosis)"
    assert len(described) <= 64


def test_a_long_label_is_cut_to_what_dicom_allows(tmp_path: Path) -> None:
    made = segmentation(blobs(), grid(), replace(bone(11), label="Left " + "very " * 30 + "long bone"))
    path = write_seg(made, provenance(made, series(grid())), tmp_path / "seg.dcm")
    assert len(dcmread(path).SegmentSequence[0].SegmentLabel) <= 64
    assert validator_errors(path) == []


@pytest.mark.parametrize("source", [series(grid()), multi_frame(grid())], ids=["slices", "multi-frame"])
def test_a_label_map_holds_the_same_voxels_in_one_frame_a_slice(tmp_path: Path, source: Series) -> None:
    shared = provenance(MADE, source)
    binary = write_seg(MADE, shared, tmp_path / "binary.dcm")
    path = write_seg(MADE, shared, tmp_path / "labelmap.dcm", profile="labelmap")
    dataset, other = dcmread(path), dcmread(binary)
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    assert dataset.SOPInstanceUID != other.SOPInstanceUID
    assert [s.SegmentNumber for s in dataset.SegmentSequence] == [1, 2]
    assert [s.TrackingUID for s in dataset.SegmentSequence] == [s.TrackingUID for s in other.SegmentSequence]
    np.testing.assert_array_equal(read_seg_on(path, grid()).labels, read_seg_on(binary, grid()).labels)
    assert [info.fragment for info in read_seg(path)[1]] == [1, 2]
    theirs = highdicom.seg.segread(path).get_volume(combine_segments=True).array
    assert np.bincount(theirs.ravel()).tolist()[1:] == np.bincount(blobs().ravel())[11:].tolist()
    check_seg(path, MADE, source)
    assert validator_errors(path) == []


def test_dcmqi_reads_a_label_map_voxel_by_voxel(tmp_path: Path) -> None:
    path = write_seg(MADE, provenance(MADE, series(grid())), tmp_path / "seg.dcm", profile="labelmap")
    for number, segment in enumerate(MADE.segments, start=1):
        expected = points_mm(MADE.label_map, segment.value)
        np.testing.assert_allclose(dcmqi_points_mm(path, tmp_path, number, "1.nrrd"), expected, atol=1e-3)
