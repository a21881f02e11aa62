"""A rejection note is valid, of the patient of the results, and names every one of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from operators.dicom.capture.rejection_note import write_rejection_note
from operators.dicom.capture.summary_page import PAGE_WRITERS
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_writer import write_report
from operators.errors import OutputError
from operators.measure.measuring import measure_segments
from operators.render.page.sheet import Captioned
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation, series
from tests.support.dicom.validator import errors_in

AT = datetime(2026, 3, 4, 5, 6, 7)
MADE = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    shared = provenance(MADE, series(grid()))
    seg = write_seg(MADE, shared, tmp_path / "seg.dcm")
    paths = [seg, write_report(MADE, shared, seg, tmp_path / "sr.dcm")]
    picture = (Captioned(np.zeros((9, 9, 3), np.uint8), "x"),)
    for kind, write in PAGE_WRITERS.items():
        write(MADE, picture, shared, tmp_path / f"{kind}.dcm")
        paths.append(tmp_path / f"{kind}.dcm")
    return paths


def test_it_names_all_instances_with_the_code_of_a_rejection(results: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "note.dcm"
    name = write_rejection_note(results, AT, "0.1.0", path)
    note = dcmread(path)
    assert errors_in(path) == []
    title = note.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113001", "DCM")
    listed = {
        str(instance.ReferencedSOPInstanceUID)
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for each in study.ReferencedSeriesSequence
        for instance in each.ReferencedSOPSequence
    }
    named = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert listed == named == {str(dcmread(each).SOPInstanceUID) for each in results}
    assert (note.PatientID, str(note.PatientName), note.AccessionNumber) == ("P1", "Doe^Jane", "A1")
    assert note.SeriesDescription == "AI results withdrawn"
    assert name.sop_instance_uid == note.SOPInstanceUID


def test_the_same_rejection_has_the_same_bytes(results: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "1.dcm", tmp_path / "2.dcm"
    write_rejection_note(results, AT, "0.1.0", first)
    write_rejection_note(results, AT, "0.1.0", second)
    assert first.read_bytes() == second.read_bytes()


def test_a_result_that_is_gone_cannot_be_withdrawn(results: list[Path], tmp_path: Path) -> None:
    results[0].unlink()
    with pytest.raises(OutputError):
        write_rejection_note(results, AT, "0.1.0", tmp_path / "note.dcm")
