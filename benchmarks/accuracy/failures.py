"""Describes failures for the document and the model cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.accuracy.metrics import CONFUSED_SHARE
from benchmarks.accuracy.rows import Row
from benchmarks.accuracy.tables import case_name, plain

# Panoptic quality's threshold, at which a fragment counts as found (operators/evaluation/overlaps.py)
FOUND_IOU = 0.5


def failures(rows: Iterable[Row]) -> list[str]:
    """Returns a line for each case with any failure."""
    return [f"{case_name(row)}: {'; '.join(found)}." for row in rows if (found := list(failures_of(row)))]


def failures_of(row: Row) -> Iterator[str]:
    """Yields bones that were missed, split wrongly or put on the wrong side, and bones made up."""
    if row["code"] != "segmented":
        yield f"refused ({row['code']})"
        return
    for bone in row["bones"]:
        if bone["anatomy"]["iou"] < FOUND_IOU:
            yield f"{plain(bone['name'])} not outlined (IoU {bone['anatomy']['iou']:.2f})"
        elif row.get("fragments", True):
            yield from bone_failures(bone)
    for name, share in row["wrong_side"].items():
        if share > CONFUSED_SHARE:
            yield f"{share:.0%} of the {plain(name)} labelled as the other side"
    for name in row["absent_bones"]:
        yield f"{plain(name)} found but not in the scan"


def bone_failures(bone: dict[str, Any]) -> Iterator[str]:
    """Yields the failures in the fragments of one bone."""
    name, fragments = plain(bone["name"]), bone["fragments"]
    missed = [f"{fragment['volume_ml']:.1f}" for fragment in fragments if not fragment["found"]]
    if missed:
        yield f"{name}: {len(missed)} of {len(fragments)} fragments missed ({', '.join(missed)} ml)"
    if bone["merges"]:
        yield f"{name}: fragments merged"
    if bone["splits"] and len(fragments) > 1:
        yield f"{name}: a fragment split"
    if bone["false_fragments"]:
        count = bone["false_fragments"]
        yield f"{name}: {count} false fragment{'s' * (count > 1)} on an intact bone"
