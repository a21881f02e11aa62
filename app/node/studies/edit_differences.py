"""What a corrected result changes of the prediction; apart, as it needs more libraries than filing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.node.queue.job import job_folder
from app.node.studies.edited_results import EditedResult, filed_edits, note_changes
from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_difference import seg_differences
from operators.dicom.seg.seg_files import referenced_instances
from operators.errors import OsteonError, UnreadableError
from operators.evaluation.metrics import Change
from operators.geometry.volume import Grid


def compared_edits(data: Path, job_id: str, corrects: str = "") -> list[EditedResult]:
    """Returns the corrected results of a job, or of one of its results, each compared with it once.

    The changes of one that cannot be compared stay None.
    """
    edits = [each for each in filed_edits(data, job_id) if corrects in ("", each.corrects)]
    return [compared(data, job_id, each) if each.changes is None else each for each in edits]


def compared(data: Path, job_id: str, made: EditedResult) -> EditedResult:
    """Returns a corrected result with its changes, which are written to its record."""
    folder = job_folder(data, job_id)
    original = folder.output / made.corrects
    try:
        grid = grid_of(folder.input, original)
        changes = tuple(seg_differences(folder.edits / f"{made.instance}.dcm", original, grid))
        return note_changes(data, job_id, made, changes)
    except (OsteonError, OSError):
        return made


def grid_of(images: Path, seg: Path) -> Grid:
    """Returns the grid of the images that a SEG was made from. Raises UnreadableError."""
    instances = referenced_instances(seg)
    series = [each for each in scan(images).series if each.grid is not None]
    shared = [len(instances & {frame.sop_instance_uid for frame in each.frames}) for each in series]
    grid = series[shared.index(max(shared))].grid if any(shared) else None
    if grid is None:
        raise UnreadableError("expected the images that the result was made from, found none")
    return grid


def change_sentence(changes: Sequence[Change] | None) -> str:
    """Returns what a corrected result changes in words."""
    if changes is None:
        return "cannot be compared with the prediction"
    rows = (
        f"{each.segment}: Dice {each.dice:.3f}, {each.added_ml:.1f} ml added, "
        f"{each.removed_ml:.1f} ml removed"
        for each in changes
    )
    return "; ".join(rows) or "differs in nothing"
