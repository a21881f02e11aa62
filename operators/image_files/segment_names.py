"""Reads the names of a label map's values from a table beside it or from its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import SimpleITK

from operators.dicom.seg.seg_reader import NO_COLOUR, SegmentInfo
from operators.dicom.seg.segment_descriptions import bone_and_fragment
from operators.errors import UnreadableError
from operators.packages.structures import Code

NO_CODE = Code("", "", "")
# How 3D Slicer writes segments into the header of a NRRD (its developer guide, "Segmentations: file format")
SLICER_NAME, SLICER_VALUE = re.compile(r"Segment(\d+)_Name"), "Segment{}_LabelValue"

Names = Mapping[int, tuple[str, tuple[int, int, int]]]


def named_segments(present: Sequence[int], names: Names) -> tuple[SegmentInfo, ...] | None:
    """Returns a segment for each value present, or None if there are no names at all.

    Raises UnreadableError if only some values have names.
    """
    if not names:
        return None
    unnamed = sorted(set(present) - set(names))
    if unnamed:
        raise UnreadableError(
            f"expected only values with names ({', '.join(map(str, sorted(names)))}), got {unnamed} too",
            code="unknown_segment",
        )
    return tuple(_segment(value, *names[value]) for value in present)


def names_beside(table: Path) -> Names:
    """Reads BIDS's dseg.tsv, with columns index, name and optionally color; {} if there is no such file."""
    if not table.is_file():
        return {}
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        return {int(row["index"]): (row["name"], _rgb(row.get("color"))) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(
            f"expected columns index and name in {table.name}, got different ones"
        ) from error


def names_within(image: SimpleITK.Image) -> Names:
    """Returns the segment names of a 3D Slicer segmentation (.seg.nrrd); empty for another NRRD."""
    found = {}
    for key in image.GetMetaDataKeys():
        if match := SLICER_NAME.fullmatch(key):
            value = image.GetMetaData(SLICER_VALUE.format(match[1]))
            found[int(value)] = (image.GetMetaData(key), NO_COLOUR)
    return found


def _segment(value: int, name: str, rgb: tuple[int, int, int]) -> SegmentInfo:
    bone, fragment = bone_and_fragment(name)
    return SegmentInfo(value, name, bone, fragment, NO_CODE, NO_CODE, NO_CODE, None, "", rgb)


def _rgb(colour: str | None) -> tuple[int, int, int]:
    if not colour:
        return NO_COLOUR
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
