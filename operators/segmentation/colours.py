"""Colours of fragments: perceptually far from each other and from those of whole bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from operators.packages.packages import Label
from operators.segmentation.segmentation import Segment

Colour = tuple[int, int, int]
Colours = NDArray[np.float64]

GREY = (128, 128, 128)
FINDING_COLOURS = 24
# Neighbours in a row differ in colours, and their neighbours too
ROW_TURNS = 3
STEP = 15  # of 255: 18 steps a channel, far finer than the distance between colours
# Colours lie over a CT, which is grey: neither near black or white, nor near grey (CIELab)
LIGHTNESS, LEAST_CHROMA = (45.0, 95.0), 40.0
# Weights of CIELab's axes: lightness counts less, because the bone adds its own through an overlay
WEIGHTS = np.array([0.7, 1.0, 1.0])
# IEC 61966-2-1: sRGB to CIE XYZ under D65, and D65's white
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE_XYZ = np.array([0.95047, 1.0, 1.08883])


def fragment_colour(labels: Sequence[Label], bone: str, fragment: int) -> Colour:
    """Returns the colour of the n-th fragment of a package's bone; the same for the same labels.

    The first fragments have the most distinct colours; bones of unknown side are rare, and come last. Bones
    of a row are too many for colours of their own: every third has the same, so that neighbours differ.
    """
    shared = sharing(labels)
    places = sorted(
        (labels[at].is_of_unknown_side, number, at)
        for at in set(shared.values())
        for number in range(1, len(labels[at].values) + 1)
    )
    place = next(n for n, (_, number, at) in enumerate(places) if (at, number) == (shared[bone], fragment))
    return _palette(tuple(label.structure.rgb for label in labels), len(places))[place]


def sharing(labels: Sequence[Label]) -> dict[str, int]:
    """Returns by the name of each label the number of the one whose fragments have the same colours."""
    row = [at for at, each in enumerate(labels) if each.detection is not None and each.detection.is_of_row]
    of_row = {labels[at].name: row[number % ROW_TURNS] for number, at in enumerate(row)}
    return {label.name: at for at, label in enumerate(labels)} | of_row


def recoloured(segments: Sequence[Segment], labels: Sequence[Label]) -> tuple[Segment, ...]:
    """Returns the segments of several packages, whose fragments get colours far from all bones that are shown
    and from each other; those of a package alone are far from its own bones only.
    """
    shown = {segment.bone for segment in segments}
    bones = tuple(label.structure.rgb for label in labels if label.name in shown)
    places = sorted(
        (segment.fragment, at) for at, segment in enumerate(segments) if segment.fragment is not None
    )
    made = list(segments)
    for (_, at), rgb in zip(places, _palette(bones, len(places)), strict=True):
        made[at] = replace(made[at], rgb=rgb)
    return tuple(made)


def finding_colour(number: int) -> Colour:
    """Returns the colour of a radiograph's n-th finding (from 1); they repeat after FINDING_COLOURS."""
    return _palette((GREY,), FINDING_COLOURS)[(number - 1) % FINDING_COLOURS]


def colours_beside(colours: Sequence[Colour], count: int) -> tuple[Colour, ...]:
    """Returns further colours, each far from the given ones and from those before it."""
    return _palette(tuple(colours), count)


@cache
def _palette(bones: tuple[Colour, ...], count: int) -> tuple[Colour, ...]:
    """Returns `count` colours, each the farthest from all before it and the bones': the first differ most."""
    steps = np.arange(0, 256, STEP)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = cielab(colours)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] >= LIGHTNESS[0]) & (lab[:, 0] <= LIGHTNESS[1]) & (chroma >= LEAST_CHROMA)
    colours, lab = colours[usable], lab[usable] * WEIGHTS
    away = np.linalg.norm(lab[:, None] - (cielab(np.array(bones)) * WEIGHTS)[None], axis=2).min(axis=1)
    chosen = []
    for _ in range(count):
        farthest = int(away.argmax())
        red, green, blue = colours[farthest].tolist()
        chosen.append((red, green, blue))
        away = np.minimum(away, np.linalg.norm(lab - lab[farthest], axis=1))
    return tuple(chosen)


def cielab(rgb: NDArray[np.int64]) -> Colours:
    """Converts sRGB in 0..255 to CIELab (..., 3) (IEC 61966-2-1, CIE 15)."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    relative = linear @ SRGB_TO_XYZ.T / WHITE_XYZ
    x, y, z = np.moveaxis(
        np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
