"""Lookup tables of a header: Modality LUT Sequence and VOI LUT Sequence (PS3.3 C.11.1, C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from operators.dicom.elements.attributes import VALUE_ERRORS, items, values
from operators.errors import UnreadableError

Array = NDArray[np.float64]

# PS3.3 C.11.1.1, C.11.2.1.1: 0 stands for 2^16 entries, and the entries have 8 to 16 bits
MOST_ENTRIES, LEAST_BITS, MOST_BITS = 1 << 16, 8, 16


@dataclass(frozen=True, eq=False)
class LookupTable:
    """`entries` (N,) for the values `first`, `first` + 1, ...; each has `bits`."""

    first: int
    entries: NDArray[np.int64]
    bits: int

    def look_up(self, inputs: Array) -> Array:
        """Returns the entry of each value, of its nearest where it lies beyond the table (PS3.3 C.11.1.1)."""
        at = np.clip(np.rint(inputs) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return self.entries[at].astype(np.float64)

    @property
    def highest(self) -> int:
        """The highest value that an entry may have; of tables that hold more than their bits, theirs."""
        return max((1 << self.bits) - 1, int(self.entries.max()))


def lookup_table(header: Dataset, keyword: str, *, signed: bool) -> LookupTable | None:
    """The first item of a sequence of tables; `signed`: inputs may lie below 0. Raises UnreadableError."""
    found = items(header, keyword)
    if not found:
        return None
    descriptor = _numbers(found[0], "LUTDescriptor")
    if len(descriptor) != 3:
        raise UnreadableError(f"expected three numbers in LUTDescriptor, got {len(descriptor)}")
    count, first, bits = (int(number) & 0xFFFF for number in descriptor)
    count = count or MOST_ENTRIES
    if signed and first > np.iinfo(np.int16).max:
        first -= MOST_ENTRIES
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise UnreadableError(f"expected {LEAST_BITS} to {MOST_BITS} bits in a lookup table, got {bits}")
    return LookupTable(first, _entries(found[0], count), bits)


def _entries(item: Dataset, count: int) -> NDArray[np.int64]:
    """LUTData: words, or bytes where there are only half as many words."""
    words = _numbers(item, "LUTData")
    if len(words) == (count + 1) // 2 and count > 1:
        words = words.astype("<u2").view(np.uint8)
    if len(words) < count:
        raise UnreadableError(f"expected {count} entries in LUTData, got {len(words)}")
    return words[:count].astype(np.int64) & 0xFFFF


def _numbers(item: Dataset, keyword: str) -> NDArray[np.int64]:
    """Words of 16 bits, whatever VR they came under: US, SS, OW, or none in implicit VR."""
    try:
        element = item.get_item(Tag(keyword)) if Tag(keyword) in item else None
        if element is None:
            return np.empty(0, np.int64)
        little = item.original_encoding[1] is not False
        if isinstance(element, RawDataElement):
            little = element.is_little_endian
        content = element.value
        if isinstance(content, bytes):
            order = "<u2" if little else ">u2"
            return np.frombuffer(content[: len(content) // 2 * 2], order).astype(np.int64)
        return np.array([int(str(number)) for number in values((item,), keyword)], np.int64)
    except VALUE_ERRORS as error:
        raise UnreadableError(f"expected numbers in {keyword}, got something else") from error
