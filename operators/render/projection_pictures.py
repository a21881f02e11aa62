"""Draws the answer for a radiograph: the outlined findings, and the heat map.

All text is in a margin below the image: only the numbers of outlines are drawn over the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from operators.geometry.projection import Projection
from operators.packages.confidence import percent
from operators.process.side_by_side import side_by_side
from operators.render.surface_view import Picture
from operators.segmentation.radiograph_answer import RadiographAnswer
from operators.segmentation.segmentation import Segment, Segmentation
from operators.segmentation.summary import area, shown, verdict_sentence

Grey = NDArray[np.uint8]
# Pixels a side, as many as a workstation shows at once; the heat map has less detail than that
LARGEST, LARGEST_HEAT = 2048, 1024
# A smaller image is enlarged: the text beside it would be wider than the image
SMALLEST = 640
INK, FAINT_INK, BACKGROUND = (235, 235, 235), (160, 165, 175), (0, 0, 0)
DOUBT_INK = (255, 200, 90)
NOTICE = "AI, NOT FOR DIAGNOSIS"
HEAT_NOTE = "Output of the networks, not calibrated. For illustration only."
# How much of the image shows through where the heat map is highest
HEAT_WEIGHT = 0.55
# Shares of the shown image's longest side: a line of 2 pixels and text of 13 pixels at 640
LINE_SHARE, FONT_SHARE = 1 / 400, 1 / 48


@dataclass(frozen=True, eq=False)
class ProjectionPicture:
    """RGB (rows + a margin below, columns, 3) of a radiograph, in its own orientation, and what it shows."""

    rgb: Picture
    title: str


@dataclass(frozen=True)
class Line:
    """A line of the margin; `colour` is that of a swatch before it, if any."""

    text: str
    ink: tuple[int, int, int] = INK
    colour: tuple[int, int, int] | None = None


def projection_pictures(projection: Projection, segmentation: Segmentation) -> tuple[ProjectionPicture, ...]:
    """Draws the findings on the image, and the heat map on it. Raises ValueError without an answer."""
    grey = shown_grey(projection)
    outlines, heat = side_by_side(lambda draw: draw(grey, segmentation), (outlined, draw_heat_map))
    return (
        ProjectionPicture(outlines, "Outlined findings"),
        ProjectionPicture(heat, "Heat map, illustration only"),
    )


def draw_outlines(projection: Projection, segmentation: Segmentation) -> Picture:
    """Draws the image, of up to LARGEST pixels a side, with each finding outlined and numbered."""
    return outlined(shown_grey(projection), segmentation)


def shown_grey(projection: Projection) -> Grey:
    """Returns the image (rows, columns) as greyscale at the size at which it is shown."""
    return resized(projection.grey, shown_size(projection.grey.shape, LARGEST))


def outlined(grey: Grey, segmentation: Segmentation) -> Picture:
    """Draws each finding on a shown image, outlined and numbered, with a sentence on each below."""
    size = (grey.shape[1], grey.shape[0])
    labels = resized_labels(segmentation.label_map.labels[:, :, 0].T, size)
    image = np.repeat(grey[..., None], 3, axis=2)
    boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
    for segment in segmentation.segments:
        box = boxes.get(segment.value)
        if box is not None:
            around = widened(box, line_width(size))
            image[around][border_of(labels[around] == segment.value, line_width(size))] = segment.rgb
    sheet = Image.fromarray(image)
    place_numbers(ImageDraw.Draw(sheet), segmentation.segments, labels, font_size(size))
    return with_margin(np.asarray(sheet), outline_lines(segmentation), font_size(size))


def draw_heat_map(grey: Grey, segmentation: Segmentation) -> Picture:
    """Draws the networks' output over a shown image, from transparent through red to yellow."""
    answer = answer_of(segmentation)
    size = shown_size(grey.shape, LARGEST_HEAT)
    heat = resized(answer.heat_map, size) / np.float32(255)
    weight = HEAT_WEIGHT * np.clip(2 * heat, 0, 1)
    below = scaled(grey, size) / np.float32(255) * (1 - weight)
    green = np.clip(2 * heat - 1, 0, 1)
    channels = (below + weight, below + green * weight, below)
    image = np.stack([np.rint(each * 255).astype(np.uint8) for each in channels], axis=-1)
    note = Line(HEAT_NOTE, FAINT_INK)
    lines = [Line(verdict_sentence(answer)), *doubt_lines(segmentation), note, Line(NOTICE)]
    return with_margin(image, lines, font_size(size))


def answer_of(segmentation: Segmentation) -> RadiographAnswer:
    """Returns the answer. Raises ValueError without one."""
    if segmentation.answer is None:
        raise ValueError("expected the answer for a radiograph, got none")
    return segmentation.answer


def outline_lines(segmentation: Segmentation) -> list[Line]:
    """Returns the verdict, what the image shows, a line for each finding and each flag, and the notice."""
    answer = answer_of(segmentation)
    colours = {segment.value: segment.rgb for segment in segmentation.segments}
    findings = [
        Line(f"{each.value}  {percent(each.probability)}, {area(each)}", colour=colours.get(each.value))
        for each in answer.findings
    ]
    said = [Line(verdict_sentence(answer)), Line(shown(answer))]
    return [*said, *findings, *doubt_lines(segmentation), Line(NOTICE)]


def doubt_lines(segmentation: Segmentation) -> list[Line]:
    """Returns a line for each flag: in a PACS often only the picture is read."""
    return [Line(flag.sentence, DOUBT_INK) for flag in segmentation.flags]


def shown_size(shape: tuple[int, ...], largest: int) -> tuple[int, int]:
    """Returns width and height of the shown image: its own, limited to SMALLEST to `largest`."""
    longest = max(shape)
    scale = largest / longest if longest > largest else max(1, -(-SMALLEST // longest))
    return max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)


def resized(values: NDArray[np.float32], size: tuple[int, int]) -> Grey:
    """Returns values (rows, columns) from 0 to 1 as greyscale of that width and height."""
    levels = np.clip(values, 0, 1)
    levels *= 255
    return scaled(np.rint(levels, out=levels).astype(np.uint8), size)


def scaled(grey: Grey, size: tuple[int, int]) -> Grey:
    """Returns greyscale (rows, columns) at that width and height."""
    if grey.shape == size[::-1]:
        return grey
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))


def resized_labels(labels: NDArray[np.unsignedinteger], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Returns labels (rows, columns) at that width and height, by the nearest pixel."""
    columns = (np.arange(size[0]) * labels.shape[1]) // size[0]
    rows = (np.arange(size[1]) * labels.shape[0]) // size[1]
    # Labels are stored column by column: reading them in that order uses the cache
    return np.ascontiguousarray(labels.T[np.ix_(columns, rows)].T.astype(np.uint16, order="K"))


def border_of(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Returns a line of that width around a mask, outside it, so that the finding is not covered."""
    return ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=width) & ~mask


def widened(box: tuple[slice, ...], width: int) -> tuple[slice, ...]:
    """Returns a block widened by that many pixels at each end, within the image."""
    return tuple(slice(max(side.start - width, 0), side.stop + width) for side in box)


def line_width(size: tuple[int, int]) -> int:
    """Returns the width of outlines in an image of that width and height."""
    return max(round(max(size) * LINE_SHARE), 1)


def font_size(size: tuple[int, int]) -> int:
    """Returns the height of text beside an image of that width and height."""
    return max(round(max(size) * FONT_SHARE), 13)


def place_numbers(
    draw: ImageDraw.ImageDraw, segments: Sequence[Segment], labels: NDArray[np.uint16], points: int
) -> None:
    """Draws the number of each finding at the upper right of its outline, at the left if there is no room."""
    font = ImageFont.load_default(points)
    boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
    for segment in segments:
        box = boxes.get(segment.value)
        if box is None:
            continue
        gap, text = 2 * line_width(labels.shape[::-1]), str(segment.value)
        wide = round(font.getlength(text))
        left = box[1].stop + gap
        if left + wide > labels.shape[1]:
            left = max(box[1].start - gap - wide, 0)
        top = min(max(box[0].start - gap, 0), labels.shape[0] - points)
        draw.text((left, top), text, fill=segment.rgb, font=font, stroke_width=2, stroke_fill=BACKGROUND)


def with_margin(image: Picture, lines: Sequence[Line], points: int) -> Picture:
    """Returns the image with lines of text below it, wrapped to its width."""
    font, gap = ImageFont.load_default(points), points // 2
    swatch, step = points, round(points * 1.4)
    rows = [
        (text, line, n == 0)
        for line in lines
        for n, text in enumerate(wrapped(line.text, font, image.shape[1] - 3 * gap - swatch))
    ]
    sheet = Image.new("RGB", (image.shape[1], step * len(rows) + 2 * gap), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for n, (text, line, is_first) in enumerate(rows):
        top, left = gap + n * step, gap
        if line.colour is not None:
            left += swatch + gap
            if is_first:
                draw.rectangle((gap, top + 2, gap + swatch, top + swatch), fill=line.colour)
        draw.text((left, top), text, fill=line.ink, font=font)
    return np.concatenate([image, np.asarray(sheet)])


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Returns the words of a text in rows no wider than `width` pixels, if its words allow it."""
    rows: list[str] = []
    for word in text.replace("²", "2").split(" "):  # Pillow's font has no superscript 2
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and font.getlength(longer) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows
