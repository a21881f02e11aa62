"""Radiographs summed from CT: what body parts look like of which no radiographs are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.resampling import isotropic_grid, resample_hu
from operators.geometry.volume import CtVolume
from operators.radiographs.canvas import LONGEST_PIXELS, resized
from training.ct_files import read_ct
from training.progress import PREPARE, Tell
from training.radiograph.datasets.radiograph import ATTRIBUTES, Radiograph
from training.radiograph.radiograph_recipe import ProjectionTable

Floats = NDArray[np.float32]
SPACING_MM = 2.0
WATER_HU, BONE_HU = -1000.0, 200.0
# Less attenuation along a ray than that of so many voxels of water is air, or the table
AIR_VOXELS = 4.0
# Soft X-rays are attenuated by bone more than HU say, which are measured at a higher energy
BONE_FACTOR = 1.5
# The largest share that is cut off each side, and the widest black margin as a share of the longer side
MOST_CUT, WIDEST_MARGIN = 0.2, 0.4
# A direction is frontal or lateral up to this many degrees from it
NEAR_DEG = 20.0


def projections(
    tables: Sequence[ProjectionTable], folder: Path | None, seed: int, tell: Tell
) -> list[Radiograph]:
    """Returns images of a recipe's CTs, in random directions; none without their folder.

    Raises UsageError for a missing CT.
    """
    made: list[Radiograph] = []
    if folder is None:
        return made
    rng = np.random.default_rng(seed)
    for table in tables:
        for path in table.paths:
            tell(PREPARE, None, f"projections of {path}")
            made += images_of(read_ct(folder / path), path, table, rng)
    return made


def images_of(ct: CtVolume, name: str, table: ProjectionTable, rng: Generator) -> Iterator[Radiograph]:
    """Yields a table's number of projections of a CT, horizontal through the patient."""
    attenuation = part_of(attenuation_of(ct), table.heights)
    for number in range(table.views):
        angle = float(rng.uniform(0, 360))
        pixels = exposed(with_margins(cut(trimmed(summed(attenuation, angle)), rng), rng), rng)
        yield Radiograph(f"{name} {number}", "train", pixels, (), False, attributes(table.shows, angle))


def attenuation_of(ct: CtVolume) -> Floats:
    """Returns attenuation (L, P, S) relative to water, at SPACING_MM."""
    grid = isotropic_grid(ct.grid, (SPACING_MM,) * 3)
    hu = np.asarray(resample_hu(ct, grid).hu, np.float32)
    mass = np.maximum(hu - WATER_HU, 0) / -WATER_HU
    return np.where(hu > BONE_HU, mass * np.float32(BONE_FACTOR), mass)


def part_of(attenuation: Floats, heights: tuple[float, float]) -> Floats:
    """Returns the voxels between two shares of the height, without the empty ones around."""
    low, high = (round(share * attenuation.shape[2]) for share in heights)
    part = attenuation[:, :, low:high]
    (box,) = ndimage.find_objects((part > AIR_VOXELS / 10).astype(np.uint8))
    return part[box]


def trimmed(image: Floats) -> Floats:
    """Returns the image without the air around what it shows."""
    (box,) = ndimage.find_objects((image > AIR_VOXELS).astype(np.uint8))
    return image[box]


def summed(attenuation: Floats, angle_deg: float) -> Floats:
    """Returns the attenuation along parallel rays, head up; 0 degrees is from front to back."""
    turned = ndimage.rotate(attenuation, angle_deg, axes=(0, 1), reshape=True, order=1, prefilter=False)
    return np.ascontiguousarray(turned.sum(1).T[::-1], np.float32)


def cut(image: Floats, rng: Generator) -> Floats:
    """Returns the image without a random share of each side."""
    rows, columns = (
        slice(int(rng.uniform(0, MOST_CUT) * n), n - int(rng.uniform(0, MOST_CUT) * n)) for n in image.shape
    )
    return image[rows, columns]


def with_margins(image: Floats, rng: Generator) -> Floats:
    """Returns the image with black margins on two opposite sides, or on none."""
    if rng.random() < 0.5:
        return image
    width = int(rng.uniform(0, WIDEST_MARGIN) * max(image.shape))
    sides = [(0, 0), (width, width)] if rng.random() < 0.5 else [(width, width), (0, 0)]
    return np.pad(image, sides)


def exposed(image: Floats, rng: Generator) -> NDArray[np.uint8]:
    """Returns grey values at the size of training images, between random percentiles of the attenuation."""
    scale = LONGEST_PIXELS / max(image.shape)
    large = resized(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
    low, high = np.percentile(large[large > 0], (rng.uniform(0, 15), rng.uniform(98, 100)))
    grey = ((large - low) / max(high - low, 1e-6)).clip(0, 1) ** np.exp(rng.normal(0, 0.2))
    return np.rint(grey * 255).astype(np.uint8)


def attributes(shows: Sequence[str], angle_deg: float) -> tuple[float, ...]:
    """Returns the attributes: the body parts shown, the view, one exposure; NaN for metal."""
    from_front = abs((angle_deg + 90) % 180 - 90)
    view = "frontal" if from_front <= NEAR_DEG else "lateral" if from_front >= 90 - NEAR_DEG else "oblique"
    known = {name: 1.0 for name in (*shows, view)} | {"hardware": np.nan}
    return tuple(known.get(name, 0.0) for name in ATTRIBUTES)
