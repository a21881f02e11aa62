"""The patient, study and UIDs of a DICOM SEG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.provenance.identity import REQUIRED_PERHAPS_EMPTY
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.seg_cases import (
    blobs,
    bone,
    grid,
    header,
    multi_frame,
    package,
    provenance,
    segmentation,
    series,
)
from tests.unit.operators.dicom.seg.test_seg import validator_errors


def written(path: Path, source_header: Dataset, sha256: str = "ab" * 32, version: str = "0.1.0") -> Dataset:
    made = replace(segmentation(blobs(), grid(), bone(11), bone(12)), package=package(sha256))
    return dcmread(write_seg(made, provenance(made, series(grid(), source_header), version), path))


def stored(folder: Path, dataset: Dataset) -> Dataset:
    """`dataset` as it comes back from a file, its text still in bytes."""
    dataset.save_as(folder / "source.dcm", implicit_vr=False, little_endian=True)
    return dcmread(folder / "source.dcm", force=True)


def test_patient_and_study_are_the_sources_own(tmp_path: Path) -> None:
    source = header(IssuerOfPatientID="Ward", OtherPatientIDs="X9", PatientAge="056Y", StudyDescription="CT")
    dataset = written(tmp_path / "seg.dcm", source)
    for keyword in (*REQUIRED_PERHAPS_EMPTY, "IssuerOfPatientID", "PatientAge", "StudyDescription"):
        assert dataset[keyword].value == source[keyword].value


def test_calibrated_probabilities_are_said_of_each_segment_and_nothing_where_there_are_none(
    tmp_path: Path,
) -> None:
    sure = replace(bone(11), bone_probability=0.99, fracture_probability=0.04)
    piece = replace(bone(12, fragment=1), fracture_probability=0.9, fragment_probability=0.75)
    made = segmentation(blobs(), grid(), sure, piece)
    path = write_seg(made, provenance(made, series(grid())), tmp_path / "seg.dcm")
    said = [item.SegmentDescription for item in dcmread(path).SegmentSequence]
    assert said == [
        "Confidence: 99%, Probability that the bone is fractured: 4%",
        "Confidence: 75%, Probability that the bone is fractured: 90%",
    ]
    assert validator_errors(path) == []
    silent = written(tmp_path / "plain.dcm", header())
    assert not [item for item in silent.SegmentSequence if "SegmentDescription" in item]


def test_what_the_source_lacks_stays_empty_and_is_never_invented(tmp_path: Path) -> None:
    source = header(**dict.fromkeys(REQUIRED_PERHAPS_EMPTY), SliceThickness=None, Manufacturer=None)
    dataset = written(tmp_path / "seg.dcm", source)
    assert [keyword for keyword in REQUIRED_PERHAPS_EMPTY if dataset[keyword].value] == []
    assert validator_errors(tmp_path / "seg.dcm") == []


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 144", "Люкceмбypг^Анна"),
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
    ],
)
def test_a_name_in_any_script_is_the_same_in_the_result(
    tmp_path: Path, character_set: object, name: str
) -> None:
    source = stored(tmp_path, header(SpecificCharacterSet=character_set, PatientName=name, PatientID="Ж1"))
    dataset = written(tmp_path / "seg.dcm", source)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == str(source.PatientName)
    assert str(dataset.PatientName) == name
    assert name.encode() in (tmp_path / "seg.dcm").read_bytes()


def test_values_that_break_the_rules_are_rewritten_where_they_are_sure_and_empty_elsewhere(
    tmp_path: Path,
) -> None:
    raw = stored(tmp_path, header())
    raw["PatientSex"]._value = "W"
    raw["PatientBirthDate"]._value = "1970.01.02"
    dataset = written(tmp_path / "seg.dcm", raw)
    assert (dataset.PatientSex, dataset.PatientBirthDate) == ("", "19700102")


def test_the_source_header_is_not_changed(tmp_path: Path) -> None:
    source = header(PatientSex=None)
    before = source.to_json()
    written(tmp_path / "seg.dcm", source)
    assert source.to_json() == before


def test_the_same_input_gives_the_same_file(tmp_path: Path) -> None:
    written(tmp_path / "first.dcm", header())
    written(tmp_path / "second.dcm", header())
    assert (tmp_path / "first.dcm").read_bytes() == (tmp_path / "second.dcm").read_bytes()


@pytest.mark.parametrize("changed", [{"sha256": "cd" * 32}, {"version": "0.2.0"}])
def test_other_weights_or_another_version_give_other_uids(tmp_path: Path, changed: dict[str, str]) -> None:
    first = written(tmp_path / "first.dcm", header())
    second = written(tmp_path / "second.dcm", header(), **changed)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert first[keyword].value != second[keyword].value
        assert second[keyword].value.startswith("2.25.")
        assert second[keyword].value.is_valid


def test_two_parts_of_one_instance_get_different_uids(tmp_path: Path) -> None:
    made, source = segmentation(blobs(), grid(), bone(11)), multi_frame(grid())
    part = replace(source, frames=source.frames[:6])
    uids = {
        dcmread(write_seg(made, provenance(made, each), tmp_path / "seg.dcm")).SOPInstanceUID
        for each in (source, part)
    }
    assert len(uids) == 2


@pytest.mark.parametrize(
    "change",
    [{"PatientID": "other"}, {"PatientName": "Other^Name"}, {"AccessionNumber": "9"}, {"Laterality": "L"}],
)
def test_results_of_corrected_data_are_other_objects(tmp_path: Path, change: dict[str, str]) -> None:
    """An archive that has the former ones would keep them: a UID names one content."""
    before = written(tmp_path / "before.dcm", header())
    after = written(tmp_path / "after.dcm", header(**change))
    assert before.SOPInstanceUID != after.SOPInstanceUID
    assert before.SeriesInstanceUID != after.SeriesInstanceUID


@pytest.mark.parametrize("keyword", ["Laterality", "ImageLaterality"])
def test_a_result_is_of_the_sources_side(tmp_path: Path, keyword: str) -> None:
    assert written(tmp_path / "seg.dcm", header(**{keyword: "R"})).Laterality == "R"
    assert "Laterality" not in written(tmp_path / "plain.dcm", header())
