"""Draws the axial slice in which prediction and ground truth differ most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion, find_objects
from scipy.optimize import linear_sum_assignment

from operators.errors import OutputError, reason
from operators.evaluation.metrics import CaseMetrics
from operators.geometry.volume import LabelMap

Slice = NDArray[Any]
Pixels = NDArray[np.uint8]

PIXEL_MM = 0.4
MARGIN_PX = 24
# Okabe and Ito's colours, which colour-blind readers can distinguish (jfly.uni-koeln.de/color).
PALETTE = np.array(
    [
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [0, 114, 178],
        [213, 94, 0],
        [204, 121, 167],
    ],
    dtype=np.uint8,
)


def write_worst_slice(prediction: LabelMap, truth: LabelMap, metrics: CaseMetrics, path: Path) -> Path:
    """Writes a PNG, truth left, prediction right, matched fragments in one colour. Raises OutputError."""
    matched = in_truth_colours(prediction, metrics)
    to_axial = axial_order(truth)
    true_planes, planes = np.transpose(truth.labels, to_axial), np.transpose(matched, to_axial)
    index = worst_slice(planes, true_planes)
    turned = [_radiological(plane[:, :, index], truth, to_axial) for plane in (true_planes, planes)]
    panels = [_panel(plane, truth, to_axial) for plane in _cut(*turned)]
    picture = _side_by_side(panels, (f"truth, slice {index}", f"prediction, slice {index}"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except OSError as error:
        raise OutputError(f"expected to write a picture to {path}, got: {reason(error)}") from error
    return path


def in_truth_colours(prediction: LabelMap, metrics: CaseMetrics) -> Slice:
    """Returns the prediction's labels, each replaced by the true value that it matches best, if any."""
    table = np.arange(np.iinfo(prediction.labels.dtype).max + 1, dtype=prediction.labels.dtype)
    fragments = [fragment for bone in metrics.bones for fragment in bone.fragments]
    for fragment in sorted(fragments, key=lambda fragment: fragment.agreement.iou):
        if fragment.matched_value is not None:
            table[fragment.matched_value] = fragment.value
    return np.asarray(table[prediction.labels])


def axial_order(label_map: LabelMap) -> tuple[int, int, int]:
    """Returns the array axes that are closest to the patient's x, y and z."""
    _, axes = linear_sum_assignment(np.abs(label_map.grid.ijk_to_lps[:3, :3]), maximize=True)
    x, y, z = (int(axis) for axis in axes)
    return x, y, z


def worst_slice(prediction: Slice, truth: Slice) -> int:
    """Returns the index along the last axis with the most differing voxels, among equals the most bone."""
    differing = np.count_nonzero(prediction != truth, axis=(0, 1))
    bone = np.count_nonzero(truth, axis=(0, 1))
    return int(np.lexsort((bone, differing))[-1])


def _radiological(plane: Slice, label_map: LabelMap, axes: tuple[int, int, int]) -> Slice:
    """Orients a plane as radiologists view it: rows to posterior, columns to the patient's left."""
    steps_mm = label_map.grid.ijk_to_lps[:3, :3]
    flipped = tuple(axis for axis in (0, 1) if steps_mm[axis, axes[axis]] < 0)
    return np.flip(plane, flipped).transpose()


def _cut(truth: Slice, prediction: Slice) -> list[Slice]:
    found = find_objects(((truth > 0) | (prediction > 0)).view(np.uint8))
    return [truth[found[0]], prediction[found[0]]] if found else [truth, prediction]


def _panel(plane: Slice, label_map: LabelMap, axes: tuple[int, int, int]) -> Pixels:
    """Draws each value as a dim area with a bright outline (RGB)."""
    spacing_mm = label_map.grid.spacing_mm
    height, width = (
        max(1, round(size * spacing_mm[axes[axis]] / PIXEL_MM))
        for size, axis in zip(plane.shape, (1, 0), strict=True)
    )
    image = Image.fromarray(plane.astype(np.uint16)).resize((width, height), Image.Resampling.NEAREST)
    large = np.asarray(image)
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for value in np.unique(large[large > 0]):
        area = large == value
        colour = PALETTE[int(value) % len(PALETTE)]
        pixels[area] = colour // 3
        pixels[area & ~binary_erosion(area, iterations=2)] = colour
    return pixels


def _side_by_side(panels: list[Pixels], titles: tuple[str, ...]) -> Image.Image:
    height, width, _ = panels[0].shape
    picture = Image.new("RGB", (len(panels) * (width + MARGIN_PX) + MARGIN_PX, height + 2 * MARGIN_PX))
    draw = ImageDraw.Draw(picture)
    for n, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        left = MARGIN_PX + n * (width + MARGIN_PX)
        picture.paste(Image.fromarray(panel), (left, MARGIN_PX))
        draw.text((left, MARGIN_PX // 4), title, fill=(255, 255, 255))
    return picture
