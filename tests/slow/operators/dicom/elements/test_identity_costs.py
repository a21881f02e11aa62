"""The identity in a file is read at a bounded cost, whatever the file holds."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import pytest

from operators.dicom.elements.file_meta import file_head, with_standard_head
from operators.dicom.elements.instance_identity import read_instance
from operators.errors import UnreadableError
from tests.support.dicom.dataset_bytes import UID, ct, deflated, element, nested, text
from tests.support.faults.wire import CT, DEFLATED, EXPLICIT, IMPLICIT
from tests.unit.operators.dicom.elements.test_instance_identity import (
    EMPTY_ITEM,
    OPEN_ITEM,
    SEQUENCE_END,
    UNDEFINED_SEQUENCE,
    written,
)

MEGABYTE = 1 << 20


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
