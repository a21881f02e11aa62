"""Takes labels that a user drew on the page, and files them as a corrected result."""

from __future__ import annotations

import zlib
from datetime import datetime
from pathlib import Path

import numpy as np

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_state import study_of
from app.node.studies.edited_results import DRAWN, EditedResult, file_edit
from app.node.watch.audit import EDITED, AuditTrail
from app.web.viewing.nifti_stream import GZIP, RAS
from app.web.viewing.stored_result import StoredResult
from app.web.viewing.volumes import Opened
from operators.dicom.seg.corrected_seg import Corrected, write_corrected_seg
from operators.errors import UnsuitableError
from operators.geometry.orientation import turn_to
from operators.geometry.volume import LabelMap


def drawn_labels(packed: bytes, opened: Opened) -> LabelMap:
    """Returns labels that were sent as gzip in the order of `labels.nii`.

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
    known[[0, *(info.value for info in opened.infos)]] = True
    if not known[turned].all():
        raise UnsuitableError("expected labels of the result's segments, got others")
    labels = turn.undo(turned).astype(np.uint8, copy=False)
    if np.array_equal(labels, opened.labels.labels):
        raise UnsuitableError("expected corrected labels, got those of the result")
    return LabelMap(labels, grid)


def file_drawn(
    result: StoredResult, opened: Opened, packed: bytes, who: str, now: datetime, trail: AuditTrail
) -> str:
    """Files a corrected result with who drew it; returns its instance. Raises OsteonError."""
    labels = drawn_labels(packed, opened)
    assert result.seg is not None
    made = Corrected(opened.series, result.seg, who, now)
    instance = str(made.uid("instance"))
    folder = job_folder(result.data, result.job_id).edits
    folder.mkdir(exist_ok=True)
    path: Path = folder / f"{instance}.dcm"
    write_corrected_seg(labels, made, path)
    record = EditedResult(instance, result.seg.name, who, now.isoformat(timespec="seconds"), DRAWN)
    if file_edit(result.data, result.job_id, path, record):
        trail.changed(study_of(result.job_id), 1, EDITED, who)
    return instance
