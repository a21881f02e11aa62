"""The identity in a file: as pydicom reads it, at a bounded cost for any content."""

from __future__ import annotations

import io
import struct
import tracemalloc
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
from operators.errors import UnreadableError
from tests.support.dicom.dataset_bytes import UID, ct, deflated, element, nested, text
from tests.support.faults.wire import CT, DEFLATED, EXPLICIT, IMPLICIT

SYNTAXES = (
    ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
)  # fmt: skip
UNDEFINED_SEQUENCE = element(0x00081140, "SQ", b"", 0xFFFFFFFF)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
EMPTY_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
OPEN_ITEM = struct.pack("<HHLHHL", 0xFFFE, 0xE000, 0xFFFFFFFF, 0xFFFE, 0xE00D, 0)
MEGABYTE = 1 << 20


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


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def costs(path: Path) -> tuple[str, int]:
    """The code of the refusal ('' for none), and the peak of the memory that it took to identify a file."""
    tracemalloc.start()
    try:
        read_instance(path)
        code = ""
    except UnreadableError as error:
        code = error.code
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return code, peak


def tiny_elements(count: int) -> bytes:
    return b"".join(element(0x00090000 | n, "UN", b"") for n in range(1000)) * (count // 1000)


ATTACKS = {
    "wide sequence": (
        ct(before=UNDEFINED_SEQUENCE + EMPTY_ITEM * 2_000_000 + SEQUENCE_END), "too_many_elements"
    ),
    "wide, of open items": (
        ct(before=UNDEFINED_SEQUENCE + OPEN_ITEM * 1_000_000 + SEQUENCE_END), "too_many_elements"
    ),
    "deep": (ct(before=nested(300_000)), "too_deep"),
    "no end": (ct(before=UNDEFINED_SEQUENCE + EMPTY_ITEM * 1000)[:9000], "unreadable"),
    "tiny elements": (ct(before=tiny_elements(1_000_000)), "too_many_elements"),
    "tiny elements in an item": (
        ct(before=UNDEFINED_SEQUENCE + OPEN_ITEM[:8] + tiny_elements(1_000_000)), "too_many_elements"
    ),
    "long UID": (ct(study="1." * 30_000 + "1"), "invalid_uid"),
    "UID without an end": (
        ct().replace(text(0x0020000D, "UI", UID), element(0x0020000D, "UN", b"", 0xFFFFFFFF)), "unreadable"
    ),
    "two study UIDs": (ct(before=text(0x0020000D, "UI", "1.2.3")), "repeated_element"),
    "character sets without end": (text(0x00080005, "CS", "ISO 2022 IR 87\\" * 4000) + ct(), ""),
    "long description": (ct(before=element(0x0008103E, "UT", b"x" * (8 * MEGABYTE))), ""),
    "long private value": (ct(before=element(0x00091010, "OB", bytes(8 * MEGABYTE))), ""),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_to_identify_an_instance_costs_no_memory_and_a_bounded_number_of_steps(
    tmp_path: Path, attack: str
) -> None:
    dataset, code = ATTACKS[attack]
    found, cost = costs(written(tmp_path / "attack.dcm", dataset))
    assert found == code
    assert abs(cost) <= MEGABYTE / 2


@pytest.mark.parametrize("attack", ["wide sequence", "deep", "tiny elements"])
@pytest.mark.parametrize("syntax", [DEFLATED, IMPLICIT])
def test_the_bounds_hold_in_other_transfer_syntaxes(tmp_path: Path, attack: str, syntax: str) -> None:
    dataset = ATTACKS[attack][0]
    content = deflated(dataset) if syntax == DEFLATED else implicit(dataset[:0]) + dataset
    code, peak = costs(written(tmp_path / "attack.dcm", content, syntax))
    assert code
    # What is inflated is 1 MB; zlib doubles its buffer on the way there
    assert peak < 4 * MEGABYTE


def implicit(dataset: bytes) -> bytes:
    """A first element without a VR."""
    return struct.pack("<HHL", 0x0008, 0x0005, 2) + b"  " + dataset


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


def test_a_file_meta_group_of_any_length_costs_no_memory(tmp_path: Path) -> None:
    head = file_head(CT, f"{UID}.1.1", EXPLICIT, "CT1")
    private = element(0x00020102, "OB", bytes(32 * MEGABYTE))
    path = tmp_path / "long.dcm"
    length = struct.pack("<L", len(head) - 144 + len(private))
    path.write_bytes(head[:140] + length + head[144:] + private + ct())
    found, cost = costs(path)
    assert found == "too_large"
    assert abs(cost) <= MEGABYTE / 2
    with pytest.raises(UnreadableError):
        with_standard_head(path, io.BytesIO())


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
