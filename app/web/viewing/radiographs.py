"""A radiograph as a picture, and its findings as outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from app.web.viewing.stored_result import StoredResult
from operators.dicom.headers.series import Series
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.seg.seg_reader import read_seg
from operators.packages.confidence import percent


def picture_of(series: Series) -> bytes:
    """Returns a radiograph as PNG, bone bright. Raises OsteonError."""
    grey = np.rint(read_projection(series).grey * 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(grey).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def outlines_of(result: StoredResult) -> list[dict[str, Any]]:
    """Returns value, name, probability and polygons as SVG points of each finding; none without a SEG.

    Raises UnreadableError.
    """
    if result.seg is None:
        return []
    label_map, infos = read_seg(result.seg)
    plane = label_map.labels[:, :, 0].T
    findings: Sequence[Mapping[str, Any]] = result.report.get("answer", {}).get("findings", ())
    likely = {info.value: percent(row["probability"]) for info, row in zip(infos, findings, strict=False)}
    return [
        {
            "value": info.value,
            "name": info.label,
            "probability": likely.get(info.value, "–"),
            "polygons": polygons(plane == info.value),
        }
        for info in infos
    ]


def polygons(inside: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[str, ...]:
    """Returns the borders of a mask as SVG points, in pixels from the corner of the image."""
    from skimage.measure import find_contours

    borders = find_contours(np.pad(inside, 1).astype(np.float32), 0.5)
    return tuple(" ".join(f"{x - 0.5:.1f},{y - 0.5:.1f}" for y, x in border) for border in borders)
