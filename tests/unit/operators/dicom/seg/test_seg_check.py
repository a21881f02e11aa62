"""A result that differs from the segmentation, or is of another patient, is never sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from operators.dicom.provenance.result_check import ResultName
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OutputError
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import blobs, bone, grid, multi_frame, provenance, segmentation, series

MADE = segmentation(blobs(), grid(), bone(11), bone(12, fragment=1))


def written(tmp_path: Path, revision: int = 1) -> Path:
    return write_seg(MADE, provenance(MADE, series(grid()), revision=revision), tmp_path / "seg.dcm")


def test_a_result_as_it_was_written_passes_and_says_its_name(tmp_path: Path) -> None:
    path = written(tmp_path)
    dataset = pydicom.dcmread(path)
    name = check_seg(path, MADE, series(grid()))
    syntax = dataset.file_meta.TransferSyntaxUID
    assert name == ResultName(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax)


def test_results_of_multi_frame_and_incomplete_series_pass(tmp_path: Path) -> None:
    for source in (multi_frame(grid()), series(grid(), ks=(0.0, 1.0, 2.0, 4.0, 6.0))):
        path = write_seg(MADE, provenance(MADE, source), tmp_path / "seg.dcm")
        check_seg(path, MADE, source)


def test_one_wrong_voxel_is_found(tmp_path: Path) -> None:
    labels = blobs()
    labels[0, 0, 0] = 11
    other = Segmentation(segmentation(labels, grid()).label_map, MADE.segments, MADE.package)
    with pytest.raises(OutputError, match="1 voxels that differ"):
        check_seg(written(tmp_path), other, series(grid()))


def test_mirrored_labels_are_found(tmp_path: Path) -> None:
    mirrored = segmentation(np.ascontiguousarray(blobs()[::-1]), grid(), *MADE.segments)
    with pytest.raises(OutputError, match="voxels that differ"):
        check_seg(written(tmp_path), mirrored, series(grid()))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientID", "P2"), ("PatientName", "Doe^John"), ("StudyInstanceUID", "1.9"), ("AccessionNumber", "")],
)
def test_a_result_of_another_patient_or_study_is_found(tmp_path: Path, keyword: str, value: str) -> None:
    path = written(tmp_path)
    dataset = pydicom.dcmread(path)
    setattr(dataset, keyword, value)
    dataset.save_as(path)
    with pytest.raises(OutputError, match=keyword) as raised:
        check_seg(path, MADE, series(grid()))
    assert raised.value.code == "verification_failed"
    assert value not in str(raised.value) or not value


def test_a_truncated_result_is_found(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(OutputError):
        check_seg(path, MADE, series(grid()))


def test_a_later_revision_says_what_it_replaces_and_sorts_behind(tmp_path: Path) -> None:
    first = pydicom.dcmread(written(tmp_path))
    second = pydicom.dcmread(written(tmp_path, revision=2))
    assert "replaces v1" in second.SeriesDescription
    assert "not for diagnosis" in second.SeriesDescription
    assert len(second.SeriesDescription) <= 64
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert second.SeriesInstanceUID != first.SeriesInstanceUID
    assert second.SeriesNumber == first.SeriesNumber + 1
