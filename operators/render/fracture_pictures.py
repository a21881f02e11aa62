"""Draws the original slices that show each fracture best, with the segments burnt in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from operators.geometry.volume import Box, CtVolume
from operators.render.preview import colours_of, cut_plane
from operators.render.surface_view import Labels, Picture
from operators.segmentation.segmentation import Segment, Segmentation

# The distance in voxels at which two fragments still face each other in a slice: some millimetres
NEAR_VOXELS = 4
# Fractures that are best seen on slices this close share a picture
SAME_SLICES = 2
LINE, MARGIN, SWATCH, FONT_SIZE = 18, 6, 12, 13
INK, BACKGROUND = (235, 235, 235), (0, 0, 0)
NOTICE = "AI, NOT FOR DIAGNOSIS"


@dataclass(frozen=True, eq=False)
class FracturePicture:
    """RGB (rows + a legend below, columns, 3) of the grid's slice `k`, in the slice's own orientation."""

    rgb: Picture
    k: int
    title: str


def fracture_pictures(volume: CtVolume, segmentation: Segmentation) -> tuple[FracturePicture, ...]:
    """Returns a picture for each fragment but a bone's first, fewer if one shows several; () without any."""
    labels = segmentation.label_map.labels
    boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
    shown: dict[int, str] = {}
    for segment in segmentation.segments:
        box = boxes.get(segment.value)
        if box is not None and segment.fragment is not None and segment.fragment > 1:
            k = best_slice(labels, box, segment, segmentation.segments)
            if not any(abs(k - other) <= SAME_SLICES for other in shown):
                shown[k] = segment.label
    return tuple(
        FracturePicture(draw_picture(volume, segmentation, k), k, f"{title}, slice {k + 1}")
        for k, title in sorted(shown.items())
    )


def best_slice(labels: Labels, box: tuple[slice, ...], segment: Segment, segments: Sequence[Segment]) -> int:
    """Returns the slice in which the fragment, which lies in `box`, faces others of its bone over the most
    voxels.

    If it faces none, this is the slice in which it is largest.
    """
    # Wider by the distance at which fragments face each other
    wide = Box.of(box).grow((NEAR_VOXELS, NEAR_VOXELS, 0), labels.shape).slices
    block = labels[wide]
    own = block == segment.value
    values = [each.value for each in segments if each.bone == segment.bone and each is not segment]
    others = np.isin(block, values)
    reach = ndimage.binary_dilation(others, in_slice_cross(), iterations=NEAR_VOXELS)
    facing = np.count_nonzero(own & reach, axis=(0, 1))
    counts = facing if facing.any() else np.count_nonzero(own, axis=(0, 1))
    return int(box[2].start + counts.argmax())


def in_slice_cross() -> NDArray[np.bool_]:
    """Returns a structuring element of the four neighbours in a slice, none in the next one."""
    cross = np.zeros((3, 3, 3), bool)
    cross[:, 1, 1] = cross[1, :, 1] = True
    return cross


def draw_picture(volume: CtVolume, segmentation: Segmentation, k: int) -> Picture:
    """Draws a slice with its segments tinted and outlined, and a legend below it."""
    labels = segmentation.label_map.labels[:, :, k]
    colours = colours_of(segmentation.segments, int(labels.max()))
    image = cut_plane(volume.hu[:, :, k], labels, colours)
    there = set(np.unique(labels).tolist())
    legend = [segment for segment in segmentation.segments if segment.value in there]
    return np.concatenate([image, legend_below(legend, image.shape[1])])


def legend_below(segments: Sequence[Segment], width: int) -> Picture:
    """Draws the notice and a line for each segment."""
    sheet = Image.new("RGB", (width, LINE * (len(segments) + 1) + 2 * MARGIN), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    draw.text((MARGIN, MARGIN), NOTICE, fill=INK, font=font)
    for n, segment in enumerate(segments, start=1):
        top = MARGIN + n * LINE
        draw.rectangle((MARGIN, top + 2, MARGIN + SWATCH, top + 2 + SWATCH), fill=segment.rgb)
        text = f"{segment.label}  {segment.volume_ml:.1f} ml"
        draw.text((2 * MARGIN + SWATCH, top), text, fill=INK, font=font)
    return np.asarray(sheet)
