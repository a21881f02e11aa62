"""The answers of the viewer, with all that they need; importing this takes a second and 120 MB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from app.node.queue.jobs.job_log import SEG
from app.node.studies.edit_differences import change_sentence, compared_edits
from app.node.studies.edited_results import EditedResult
from app.web.viewing.drawn_labels import Drawing as Drawing
from app.web.viewing.drawn_labels import file_drawn as file_drawn
from app.web.viewing.nifti_stream import compressed, stream, stream_bytes
from app.web.viewing.radiographs import outlines_of, picture_of
from app.web.viewing.still import still_picture
from app.web.viewing.stored_result import StoredResult
from app.web.viewing.tables import GRADES, fracture_rows, segment_rows
from app.web.viewing.volumes import Opened, Views
from operators.dicom.capture.key_objects import key_instances
from operators.dicom.seg.seg_reader import read_segments
from operators.errors import OsteonError, UnsuitableError
from operators.geometry.volume import CtVolume
from operators.segmentation.colours import colours_beside

# How many new segments have a colour of their own on the page
MOST_SPLITS = 12
# Level 400 width 1800, and level 50 width 400: what radiologists use for bone and for soft tissue
WINDOWS_HU = {"bone": (-500, 1300), "soft tissue": (-150, 250)}


def volume_page(result: StoredResult) -> dict[str, Any]:
    """Returns what the page of a CT shows beside the images. Raises UnreadableError."""
    infos = read_segments(result.seg) if result.seg else ()
    return {
        "rows": segment_rows(infos, result.report),
        "fractures": fracture_rows(infos, result.report),
        "grades": GRADES,
        "windows": WINDOWS_HU,
        "colours": colours_beside([info.rgb for info in infos], MOST_SPLITS),
        "edits": edit_rows(result),
    }


def edit_rows(result: StoredResult) -> list[tuple[EditedResult, str]]:
    """Returns the corrected results, each with what it changes."""
    made = result.path(SEG)
    corrects = made.name if made else "none"
    edits = compared_edits(result.data, result.job_id, corrects)
    return [(each, change_sentence(each.changes)) for each in edits]


def radiograph_page(views: Views, result: StoredResult) -> dict[str, Any]:
    """Returns what the page of a radiograph shows. Raises OsteonError."""
    series = views.series(result)
    return {
        "width": series.columns,
        "height": series.rows,
        "outlines": outlines_of(result),
        "sentences": result.report.get("summary", ()),
    }


def prepare(views: Views, result: StoredResult) -> None:
    """Reads the headers of a series; the request for its images says what is wrong."""
    with suppress(OsteonError, OSError):
        views.series(result)


def still(views: Views, result: StoredResult) -> bytes:
    """Returns the middle planes of a CT as PNG. Raises OsteonError."""
    return still_picture(views.first(result), WINDOWS_HU["bone"])


def radiograph(views: Views, result: StoredResult) -> bytes:
    """Returns a radiograph as PNG. Raises OsteonError."""
    series = views.series(result)
    if not series.is_projection:
        raise UnsuitableError("expected a radiograph, got a CT")
    return picture_of(series)


def ct_stream(volume: CtVolume) -> tuple[Iterator[bytes], int]:
    """Returns a CT as NIfTI, and its length; packing it would take longer than a local network."""
    return stream(volume.hu, volume.grid, WINDOWS_HU["bone"]), stream_bytes(volume.hu)


def labels_stream(opened: Opened) -> Iterator[bytes]:
    """Returns the segments on the CT's grid, by their numbers in the SEG, as NIfTI packed by gzip."""
    return compressed(stream(opened.labels.labels, opened.labels.grid))


def places(result: StoredResult, opened: Opened) -> Mapping[str, Any]:
    """Returns where segments, fractures and key slices are seen, in RAS mm."""
    marks = [{"values": mark.values, "mm": ras(mark.lps_mm)} for mark in opened.marks]
    return {
        "marks": marks,
        "keys": key_places(result, opened),
        "movements": movements(result, opened),
        "complete": opened.step == 1,
    }


def movements(result: StoredResult, opened: Opened) -> dict[int, Mapping[str, list[float]]]:
    """Returns how fragments have moved from their places, beyond the error, in RAS, by value."""
    values = {(info.bone, info.fragment): info.value for info in opened.infos}
    found: dict[int, Mapping[str, list[float]]] = {}
    for row in result.report.get("segments", ()):
        moved = row.get("measurements", {}).get("displacement", {})
        far, value = moved.get("translation_mm", {}), values.get((row["bone"], row["fragment"]))
        # Reports of earlier versions have no movement
        if value and "movement" in moved and far["value"] > far.get("uncertainty", 0):
            names = {"centre": "centre_lps", "shift": "shift_lps_mm", "turn": "turn_lps_deg"}
            found[value] = {name: ras(moved["movement"][key]) for name, key in names.items()}
    return found


def ras(lps_mm: Sequence[float]) -> list[float]:
    """Returns a place as the browser's viewer counts it."""
    x, y, z = lps_mm
    return [round(-x, 2), round(-y, 2), round(z, 2)]


def key_places(result: StoredResult, opened: Opened) -> list[dict[str, object]]:
    """Returns the place of each key slice: its middle, or that of the segments in it."""
    keys = key_instances(result.key_objects) if result.key_objects else ()
    frames = {(frame.sop_instance_uid, frame.frame_number): frame for frame in opened.series.frames}
    found: list[dict[str, object]] = []
    for frame in (frames[key] for key in keys if key in frames):
        k = min(round(frame.k / opened.step), opened.labels.grid.shape[2] - 1)
        found.append({"name": f"Slice {round(frame.k) + 1}", "mm": ras(opened.slice_middle(k))})
    return found


def as_json(content: Mapping[str, Any]) -> bytes:
    """Returns JSON."""
    return json.dumps(content, separators=(",", ":")).encode()
