"""Results on one scan that came under two SeriesInstanceUIDs name each slice under its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.headers.series import Series
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from tests.slow.operators.dicom.capture.test_picture_writer import PICTURES
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation, series
from tests.support.dicom.validator import errors_in

MADE = segmentation(blobs(), grid(), bone(11), bone(12, fragment=2))
EXPECTED = {"1.2.2": [f"1.2.3.{n}" for n in (1, 2, 3, 4)], "1.2.5": [f"1.2.3.{n}" for n in (5, 6, 7)]}


def two_series() -> Series:
    """Slices 1 to 4 under the one UID, 5 to 7 under the other."""
    whole = series(grid())
    uids = ["1.2.2"] * 4 + ["1.2.5"] * 3
    frames = (replace(frame, series_instance_uid=uid) for frame, uid in zip(whole.frames, uids, strict=True))
    return replace(whole, frames=tuple(frames))


def valid(path: Path) -> Dataset:
    assert errors_in(path) == []
    return dcmread(path)


def named(items: list[Dataset], sequence: str) -> dict[str, list[str]]:
    return {
        item.SeriesInstanceUID: [each.ReferencedSOPInstanceUID for each in item[sequence].value]
        for item in items
    }


def test_a_seg_names_both_series_and_each_slice_once(tmp_path: Path) -> None:
    source = two_series()
    path = write_seg(MADE, provenance(MADE, source), tmp_path / "seg.dcm")
    dataset = valid(path)
    assert named(dataset.ReferencedSeriesSequence, "ReferencedInstanceSequence") == EXPECTED
    images = [item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence]
    assert images == [uid for uids in EXPECTED.values() for uid in uids]
    check_seg(path, MADE, source)


def test_a_seg_that_is_read_again_knows_them(tmp_path: Path) -> None:
    path = write_seg(MADE, provenance(MADE, two_series()), tmp_path / "seg.dcm")
    _, again = read_provenance(path)
    found = {frame.sop_instance_uid: frame.series_instance_uid for frame in again.series.frames}
    assert found == {uid: series for series, uids in EXPECTED.items() for uid in uids if uid in found}
    assert set(found.values()) == {"1.2.2", "1.2.5"}


def test_contours_name_both(tmp_path: Path) -> None:
    write_structures(MADE, provenance(MADE, two_series()), tmp_path / "structures.dcm")
    frame = valid(tmp_path / "structures.dcm").ReferencedFrameOfReferenceSequence[0]
    studies = frame.RTReferencedStudySequence
    assert named(studies[0].RTReferencedSeriesSequence, "ContourImageSequence") == EXPECTED


def test_key_objects_name_each_slice_under_its_own(tmp_path: Path) -> None:
    write_key_objects(PICTURES, provenance(MADE, two_series()), tmp_path / "key-objects.dcm")
    evidence = valid(tmp_path / "key-objects.dcm").CurrentRequestedProcedureEvidenceSequence[0]
    found = named(evidence.ReferencedSeriesSequence, "ReferencedSOPSequence")
    assert found == {"1.2.2": ["1.2.3.3"], "1.2.5": ["1.2.3.6"]}
