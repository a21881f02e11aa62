"""Draws one picture of a result: three cuts with the segments, and the bones from front and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from operators.geometry.patient_view import PatientBox, patient_box
from operators.geometry.volume import CtVolume, LabelMap
from operators.render.surface_view import Labels, Picture, draw_front_and_back
from operators.segmentation.segmentation import Segment

LONGEST = 420  # pixels along the longest side of the patient box
AIR_HU = -1000
SUPERIOR = 2  # the axis of LPS that runs up a picture
WINDOW_HU = (-350.0, 1250.0)  # bone window: centre 450, width 1600
BACKGROUND = (16, 18, 22)
INK, FAINT_INK = (232, 234, 238), (140, 146, 156)
GAP, TITLE, LINE = 18, 26, 22
TINT, OUTLINE = 0.35, 0.95
CUBES_A_VOXEL = 2  # finer cubes do not add detail to the surface
AXES = {"Axial": 2, "Coronal": 1, "Sagittal": 0}
ENDS = {
    "Axial": ("R", "L"),
    "Coronal": ("R", "L"),
    "Sagittal": ("A", "P"),
    "Front": ("R", "L"),
    "Back": ("L", "R"),
}
FONT_SIZE, SWATCH = 14, 24


def draw_preview(
    volume: CtVolume, label_map: LabelMap, segments: Sequence[Segment], longest: int = LONGEST
) -> Picture:
    """Returns RGB (H, W, 3): the patient's right is at the left of the picture, superior (or anterior) at the
    top.

    `longest` is the longest side of the labelled region, in pixels.
    """
    finest_mm = min(label_map.grid.spacing_mm) / CUBES_A_VOXEL
    box, coarse = patient_box(label_map, longest), patient_box(label_map, longest * 3 // 4, finest_mm)
    solid = coarse.sample(label_map.labels, label_map.grid, order=0, outside=0)
    colours = colours_of(segments, int(label_map.labels.max()))
    place_mm = coarse.position_mm(_place_of_interest(solid, segments))
    cuts = {}
    for name, axis in AXES.items():
        plane = box.plane(axis, place_mm[axis])
        hu = plane.sample(volume.hu, volume.grid, order=1, outside=AIR_HU).squeeze(axis)
        labels = plane.sample(label_map.labels, label_map.grid, order=0, outside=0).squeeze(axis)
        cuts[name] = cut_plane(hu, labels, colours)[:: -1 if axis < SUPERIOR else 1]
    views = [_enlarged(view, box) for view in draw_front_and_back(solid, colours, BACKGROUND)]
    return _sheet([cuts, dict(zip(("Front", "Back"), views, strict=True))], segments, box)


def _enlarged(view: Picture, box: PatientBox) -> Picture:
    size = (box.shape[0], box.shape[SUPERIOR])
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.LANCZOS))


def colours_of(segments: Sequence[Segment], highest: int) -> Picture:
    """Returns a colour for each label value up to `highest`; grey for values without a segment."""
    colours = np.full((highest + 1, 3), 128, dtype=np.uint8)
    for segment in segments:
        if segment.value <= highest:
            colours[segment.value] = segment.rgb
    return colours


def _place_of_interest(labels: Labels, segments: Sequence[Segment]) -> tuple[int, int, int]:
    """Returns the middle of the smallest fragment, else the point where each cut crosses most bone."""
    fragments = sorted((s for s in segments if s.fragment is not None), key=lambda s: s.volume_ml)
    for fragment in fragments:
        voxels = np.argwhere(labels == fragment.value)
        if len(voxels):
            x, y, z = voxels[((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()].tolist()
            return x, y, z
    x, y, z = (int((labels > 0).sum(axis=others).argmax()) for others in ((1, 2), (0, 2), (0, 1)))
    return x, y, z


def cut_plane(hu: NDArray[Any], labels: Labels, colours: Picture) -> Picture:
    """Draws a cut for display, from arrays whose second axis runs down or up the picture."""
    low, high = WINDOW_HU
    grey = np.clip((hu - low) / (high - low), 0, 1)[..., None]
    edge = (labels != np.roll(labels, 1, 0)) | (labels != np.roll(labels, 1, 1))
    weight = np.where(labels > 0, np.where(edge, OUTLINE, TINT), 0)[..., None]
    blended = grey * (1 - weight) + colours[labels] / 255.0 * weight
    picture: Picture = np.rint(blended * 255).astype(np.uint8).swapaxes(0, 1)
    return picture


def _sheet(rows: list[dict[str, Picture]], segments: Sequence[Segment], box: PatientBox) -> Picture:
    cuts, views = (GAP + sum(picture.shape[1] + GAP for picture in row.values()) for row in rows)
    width = max(cuts, views + _legend_width(segments, box))
    heights = [max(picture.shape[0] for picture in row.values()) + TITLE + GAP for row in rows]
    heights[1] = max(heights[1], TITLE + LINE * (len(segments) + 2))
    sheet = Image.new("RGB", (width, sum(heights) + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = _place_row(sheet, draw, row, top)
        top += height
    _legend(draw, segments, left, top - heights[1], box)
    return np.asarray(sheet)


def _place_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: dict[str, Picture], top: int) -> int:
    left = GAP
    for name, picture in row.items():
        height, width = picture.shape[:2]
        sheet.paste(Image.fromarray(picture), (left, top + TITLE))
        _write(draw, (left, top), name, FAINT_INK)
        for mark, x in zip(ENDS[name], (left + 6, left + width - 16), strict=True):
            _write(draw, (x, top + TITLE + height // 2 - LINE // 2), mark, INK)
        left += width + GAP
    return left


def _legend_lines(segments: Sequence[Segment], box: PatientBox) -> list[str]:
    title = f"{box.step_mm:.2f} mm a pixel, not for diagnosis"
    return [title, *(f"{segment.label}   {segment.volume_ml:.0f} ml" for segment in segments)]


def _legend_width(segments: Sequence[Segment], box: PatientBox) -> int:
    font = ImageFont.load_default(FONT_SIZE)
    return int(max(font.getlength(line) for line in _legend_lines(segments, box))) + SWATCH + GAP


def _legend(
    draw: ImageDraw.ImageDraw, segments: Sequence[Segment], left: int, top: int, box: PatientBox
) -> None:
    title, *lines = _legend_lines(segments, box)
    _write(draw, (left, top), title, FAINT_INK)
    for n, (segment, line) in enumerate(zip(segments, lines, strict=True)):
        y = top + TITLE + n * LINE
        draw.rounded_rectangle((left, y + 3, left + 14, y + 17), radius=3, fill=segment.rgb)
        _write(draw, (left + SWATCH, y), line, INK)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, ink: tuple[int, int, int]) -> None:
    draw.text(place, text, fill=ink, font=ImageFont.load_default(FONT_SIZE))
