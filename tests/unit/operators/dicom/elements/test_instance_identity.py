"""The identity in a file is as pydicom reads it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from operators.dicom.elements.element_walk import file_reader
from operators.dicom.elements.file_meta import file_head, with_standard_head
from operators.dicom.elements.instance_identity import read_instance, read_received
from operators.dicom.elements.meta_group import read_meta_group
from tests.support.dicom.dataset_bytes import UID, ct, element, text
from tests.support.faults.wire import CT, EXPLICIT

SYNTAXES = (
    ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
)  # fmt: skip
UNDEFINED_SEQUENCE = element(0x00081140, "SQ", b"", 0xFFFFFFFF)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
EMPTY_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
OPEN_ITEM = struct.pack("<HHLHHL", 0xFFFE, 0xE000, 0xFFFFFFFF, 0xFFFE, 0xE00D, 0)


def written(path: Path, dataset: bytes, syntax: str = EXPLICIT) -> Path:
    """A file as the node writes it."""
    path.write_bytes(file_head(CT, f"{UID}.1.1", syntax, "CT1") + dataset)
    return path


def leaf(number: int, value: bytes) -> Dataset:
    """A few elements, one of them private."""
    dataset = Dataset()
    dataset.ReferencedSOPInstanceUID = f"1.2.{number}"
    dataset.CodeMeaning = "x" * (number % 60)
    dataset.add_new(0x00091001, "UN", value)
    return dataset


def with_sequences(items: list[Dataset], undefined: bool) -> Dataset:
    dataset = Dataset()
    dataset.ReferencedImageSequence = Sequence(items)
    dataset["ReferencedImageSequence"].is_undefined_length = undefined
    for item in items:
        item.is_undefined_length_sequence_item = undefined
    return dataset


TREES = st.recursive(
    st.builds(leaf, st.integers(0, 10**6), st.binary(max_size=40)),
    lambda below: st.builds(with_sequences, st.lists(below, max_size=4), st.booleans()),
    max_leaves=20,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, undefined=st.booleans(), syntax=st.sampled_from(SYNTAXES), pad=st.integers(0, 40_000))
def test_valid_files_are_identified_as_pydicom_reads_them(
    tmp_path: Path, tree: Dataset, undefined: bool, syntax: str, pad: int
) -> None:
    dataset = with_sequences([tree], undefined)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, f"{UID}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = UID, f"{UID}.1"
    dataset.Modality, dataset.StudyDescription, dataset.SeriesDescription = "CT", "Hüfte", " Becken "
    dataset.add_new(0x00091001, "OB", bytes(2 * (pad // 2)))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    dataset.file_meta.SourceApplicationEntityTitle = "CT1"
    path = tmp_path / "valid.dcm"
    dataset.save_as(path, enforce_file_format=True)
    read = pydicom.dcmread(path)
    found = read_instance(path)
    with path.open("rb") as file:
        meta = read_meta_group(file_reader(file.fileno()))
    assert found == read_received(path, path.read_bytes()[: 1 << 14], meta)
    assert (found.study_instance_uid, found.series_instance_uid) == (read.StudyInstanceUID, f"{UID}.1")
    assert (found.sop_instance_uid, found.sop_class_uid) == (read.SOPInstanceUID, read.SOPClassUID)
    assert (found.modality, found.source_ae) == ("CT", "CT1")
    assert (found.study_description, found.series_description) == ("Hüfte", "Becken")


def test_ten_thousand_references_in_sequences_of_undefined_length_are_no_attack(tmp_path: Path) -> None:
    reference = text(0x00081150, "UI", CT) + text(0x00081155, "UI", f"{UID}.5")
    items = (OPEN_ITEM[:8] + reference + OPEN_ITEM[8:]) * 10_000
    path = written(tmp_path / "many.dcm", ct(before=UNDEFINED_SEQUENCE + items + SEQUENCE_END))
    assert read_instance(path).study_instance_uid == UID


def test_a_sequence_written_as_un_has_implicit_value_representations(tmp_path: Path) -> None:
    inner = struct.pack("<HHL", 0x0008, 0x1155, 6) + b"1.2.3\0"
    item = OPEN_ITEM[:8] + inner + OPEN_ITEM[8:]
    unknown = element(0x00091001, "UN", b"", 0xFFFFFFFF) + item + SEQUENCE_END
    path = written(tmp_path / "un.dcm", ct(before=unknown))
    assert read_instance(path).series_instance_uid == str(pydicom.dcmread(path).SeriesInstanceUID)


@pytest.mark.parametrize("announced", [0, 10, 100_000, 0xFFFFFFFF])
def test_a_wrong_group_length_moves_nothing(tmp_path: Path, announced: int) -> None:
    content = bytearray(written(tmp_path / "right.dcm", ct()).read_bytes())
    content[140:144] = struct.pack("<L", announced)
    path = tmp_path / "wrong.dcm"
    path.write_bytes(content)
    assert read_instance(path) == read_instance(tmp_path / "right.dcm")
    copy = io.BytesIO()
    with_standard_head(path, copy)
    assert copy.getvalue() == (tmp_path / "right.dcm").read_bytes()


@pytest.mark.parametrize("said", ["\x1b[31mCT", "CT\nMR", "ct", "A" * 17, "[bold]CT[/]", "CT\\MR", "СТ"])
def test_a_modality_is_a_code_string_or_none(tmp_path: Path, said: str) -> None:
    dataset = ct().replace(text(0x00080060, "CS", "CT"), element(0x00080060, "CS", said.encode() + b" "))
    assert read_instance(written(tmp_path / "x.dcm", dataset)).modality == ""
    assert read_instance(written(tmp_path / "y.dcm", ct())).modality == "CT"


@pytest.mark.parametrize("said", [b"\x1b]0;PACS\x07", b"A\nB", b"A" * 17, b"A\\B", b"\xff\xfe"])
def test_the_sender_is_an_ae_title_or_nobody(tmp_path: Path, said: bytes) -> None:
    head = file_head(CT, f"{UID}.1.1", EXPLICIT, "X" * len(said))
    path = tmp_path / "x.dcm"
    path.write_bytes(head.replace(b"X" * len(said), said) + ct())
    assert read_instance(path).source_ae == ""
