"""Writes the frames of a binary SEG after its header as raw bytes, as pydicom would write them.

highdicom and pydicom build and traverse an object for each of thousands of frames, although the frames of a
slice differ in one number only.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from itertools import chain
from typing import BinaryIO

from pydicom.dataset import Dataset

from operators.dicom.seg.seg_frames import BitFrame, without_gaps
from operators.errors import OutputError

# PS3.5 7.1.2: tag, VR, two reserved bytes, length; all little endian
GROUPS = struct.pack("<HH2sH", 0x5200, 0x9230, b"SQ", 0)
PIXELS = struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OB", 0)
HEAD_BYTES = len(GROUPS) + 4
# Dimension Index Values of a segment and a position, Referenced Segment Number: tag, VR, length
INDEX_VALUES = struct.pack("<HH2sH", 0x0020, 0x9157, b"UL", 8)
SEGMENT_NUMBER = struct.pack("<HH2sH", 0x0062, 0x000B, b"US", 2)
LONGEST = 2**32 - 2  # PS3.5 7.1.1: the length of a value


def encoded_groups(template: Dataset) -> list[bytes]:
    """Returns each item of the Per-frame Functional Groups Sequence, as pydicom encodes it."""
    alone, stream = Dataset(), io.BytesIO()
    alone.PerFrameFunctionalGroupsSequence = template.PerFrameFunctionalGroupsSequence
    alone.save_as(stream, implicit_vr=False, little_endian=True)
    content, items, at = stream.getvalue(), [], HEAD_BYTES
    while at < len(content):
        end = at + 8 + int(struct.unpack_from("<I", content, at + 4)[0])
        items.append(content[at:end])
        at = end
    return items


def of_segment(item: bytes, number: int) -> bytes:
    """Returns the slice's item for segment `number`, which is its first dimension index too."""
    if number == 1:
        return item  # with a single segment, all frames share its number
    changed = bytearray(item)
    struct.pack_into("<I", changed, item.index(INDEX_VALUES) + len(INDEX_VALUES), number)
    struct.pack_into("<H", changed, item.index(SEGMENT_NUMBER) + len(SEGMENT_NUMBER), number)
    return bytes(changed)


def write_frames(
    file: BinaryIO, template: Dataset, groups: dict[int, bytes], frames: Sequence[Sequence[BitFrame]]
) -> None:
    """Writes `template`, then the `frames` of segments 1, 2, ...; `groups` are the slices' items for 1.

    Raises OutputError for more than a DICOM element can hold.
    """
    size = template.Rows * template.Columns
    every = list(chain.from_iterable(frames))
    items = b"".join(
        of_segment(groups[frame.place], number) for number, own in enumerate(frames, start=1) for frame in own
    )
    length = -(-len(every) * size // 8)
    if length > LONGEST:
        raise OutputError(f"expected at most 4 GB of frames, got {len(every)} frames", code="too_large")
    template.NumberOfFrames = len(every)
    template.save_as(file, enforce_file_format=True)
    file.write(GROUPS + struct.pack("<I", len(items)) + items)
    file.write(PIXELS + struct.pack("<I", length + length % 2))
    for bits in without_gaps(every, size):
        file.write(bits)
    file.write(bytes(length % 2))
