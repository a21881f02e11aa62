"""Takes labels that a user drew on the page, and files them as a corrected result."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_state import study_of
from app.node.studies.edited_results import DRAWN, EditedResult, file_edit
from app.node.watch.audit import EDITED, AuditTrail
from app.web.viewing.nifti_stream import GZIP, RAS
from app.web.viewing.stored_result import StoredResult
from app.web.viewing.volumes import MOST_SEGMENTS, Opened
from operators.dicom.seg.corrected_seg import Corrected, write_corrected_seg
from operators.errors import UnsuitableError
from operators.geometry.orientation import turn_to
from operators.geometry.volume import LabelMap


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a user drew: labels as gzip in the order of `labels.nii`, and the new values with those of the
    segments that they were split off, as JSON pairs.
    """

    packed: bytes
    splits: str = "[]"


def new_segments(drawing: Drawing, opened: Opened) -> dict[int, int]:
    """Returns the values of segments that were split off, each with that of the segment that it was part of.

    Raises UnsuitableError.
    """
    try:
        pairs = [(int(value), int(of)) for value, of in json.loads(drawing.splits)]
    except (ValueError, TypeError) as error:
        raise UnsuitableError("expected pairs of values of split segments, got something else") from error
    known = {info.value for info in opened.infos}
    for value, of in pairs:
        if value in known or of not in known or not 0 < value <= MOST_SEGMENTS:
            raise UnsuitableError("expected a new value for each part of a known segment, got others")
        known.add(value)
    return dict(pairs)


def present_segments(splits: Mapping[int, int], labels: LabelMap) -> dict[int, int]:
    """Returns the split segments with a voxel; one may have been undone, or merged into another."""
    present = set(np.unique(labels.labels).tolist())
    found = {}
    for value, of in splits.items():
        while of in splits and of not in present:
            of = splits[of]
        if value in present:
            found[value] = of
    return found


def drawn_labels(packed: bytes, opened: Opened, splits: Mapping[int, int]) -> LabelMap:
    """Returns labels that were sent as gzip in the order of `labels.nii`; `splits` are values of new ones.

    Raises UnsuitableError for another number of voxels, values without a segment, no change, or a CT that
    is shown without some slices.
    """
    if opened.step > 1:
        raise UnsuitableError("expected a CT that is shown with all slices, this one is too large")
    grid, turn = opened.labels.grid, turn_to(opened.labels.grid, RAS)
    voxels = opened.labels.labels.size
    try:
        content = zlib.decompressobj(GZIP).decompress(packed, voxels + 1)
    except zlib.error as error:
        raise UnsuitableError("expected labels packed by gzip, got something else") from error
    if len(content) != voxels:
        raise UnsuitableError("expected a label for each voxel, got another number")
    turned = np.frombuffer(content, np.uint8).reshape([grid.shape[axis] for axis in turn.axes])
    known = np.zeros(256, bool)
    known[[0, *splits, *(info.value for info in opened.infos)]] = True
    if not known[turned].all():
        raise UnsuitableError("expected labels of the result's segments, got others")
    labels = turn.undo(turned).astype(np.uint8, copy=False)
    if np.array_equal(labels, opened.labels.labels):
        raise UnsuitableError("expected corrected labels, got those of the result")
    return LabelMap(labels, grid)


def file_drawn(
    result: StoredResult, opened: Opened, drawing: Drawing, who: str, now: datetime, trail: AuditTrail
) -> str:
    """Files a corrected result with who drew it; returns its instance. Raises OsteonError."""
    splits = new_segments(drawing, opened)
    labels = drawn_labels(drawing.packed, opened, splits)
    assert result.seg is not None
    made = Corrected(opened.series, result.seg, who, now, present_segments(splits, labels))
    instance = str(made.uid("instance"))
    folder = job_folder(result.data, result.job_id).edits
    folder.mkdir(exist_ok=True)
    path: Path = folder / f"{instance}.dcm"
    write_corrected_seg(labels, made, path)
    record = EditedResult(instance, result.seg.name, who, now.isoformat(timespec="seconds"), DRAWN)
    if file_edit(result.data, result.job_id, path, record):
        trail.changed(study_of(result.job_id), 1, EDITED, who)
    return instance
