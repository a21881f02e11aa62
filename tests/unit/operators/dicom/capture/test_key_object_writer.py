"""Key object selections: valid, and of the slices whose pictures were drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from highdicom.ko import KeyObjectSelectionDocument
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import check_result
from tests.slow.operators.dicom.capture.test_picture_writer import MADE, PICTURES
from tests.support.dicom.seg_cases import grid, header, multi_frame, provenance, series
from tests.support.dicom.validator import errors_in
from tests.unit.operators.dicom.seg.test_seg_identity import stored


def written(folder: Path, source: Series) -> Dataset:
    path = folder / "key-objects.dcm"
    write_key_objects(PICTURES, provenance(MADE, source), path)
    assert errors_in(path, "KeyObjectSelectionDocument") == []
    check_result(path, source)
    return dcmread(path)


def test_the_slices_that_show_a_fracture_best_are_named_and_nothing_else(tmp_path: Path) -> None:
    dataset = written(tmp_path, series(grid()))
    images = [item for item in dataset.ContentSequence if item.ValueType == "IMAGE"]
    named = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images]
    assert named == ["1.2.3.3", "1.2.3.6"]
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == "1.2.2"
    assert [item.ReferencedSOPInstanceUID for item in evidence.ReferencedSOPSequence] == named
    KeyObjectSelectionDocument.from_dataset(dataset)


def test_what_it_is_of_is_said_and_that_it_is_not_for_diagnosis(tmp_path: Path) -> None:
    dataset = written(tmp_path, series(grid(), header(SeriesNumber=4)))
    (text,) = [
        item.TextValue
        for item in dataset.ContentSequence
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "113012"
    ]
    assert text == "Left hip bone, slice 3; slice 6. For research, not for diagnosis."
    assert dataset.SeriesDescription == "AI Bones and fragments key slices, series 4 (not for diagnosis)"


def test_frames_of_a_multi_frame_source_are_named_by_their_numbers(tmp_path: Path) -> None:
    dataset = written(tmp_path, multi_frame(grid()))
    (image,) = [item for item in dataset.ContentSequence if item.ValueType == "IMAGE"]
    reference = image.ReferencedSOPSequence[0]
    assert (reference.ReferencedSOPInstanceUID, list(reference.ReferencedFrameNumber)) == ("1.2.3.1", [3, 6])


@pytest.mark.parametrize("name", ["山田^太郎", "Люкceмбypг^Анна", "الجزيري^محمد"])
def test_patient_and_study_are_the_sources_own_in_any_script(tmp_path: Path, name: str) -> None:
    given = header(SpecificCharacterSet="ISO_IR 192", PatientName=name, PatientSex=None, StudyID=None)
    dataset = written(tmp_path, series(grid(), stored(tmp_path, given)))
    assert (str(dataset.PatientName), dataset.PatientSex, dataset.StudyID) == (name, "", "")


def test_no_fracture_no_file_and_none_of_a_former_run(tmp_path: Path) -> None:
    written(tmp_path, series(grid()))
    write_key_objects((), provenance(MADE, series(grid())), tmp_path / "key-objects.dcm")
    assert list(tmp_path.iterdir()) == []


def test_the_same_input_gives_the_same_document(tmp_path: Path) -> None:
    written(tmp_path, series(grid()))
    first = (tmp_path / "key-objects.dcm").read_bytes()
    written(tmp_path, series(grid()))
    assert (tmp_path / "key-objects.dcm").read_bytes() == first
