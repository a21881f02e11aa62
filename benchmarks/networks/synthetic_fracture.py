"""Trains a network of FracSegNet's size to stable predictions, as a reference for benchmarks only.

    python -m benchmarks.networks.synthetic_fracture FOLDER

It learns from synthetic bones of two crossing blades with a crack between them to distinguish the blades by
their orientation, which takes a wide receptive field far from a surface. The last steps use the whole patch,
since instance norms depend on it. FOLDER becomes a model folder of nnU-Net v2 that the original and
`osteon models import` both read.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.networks.short_training import Example, Phase, as_read, put, trained
from benchmarks.panel import PANEL
from operators.networks.architectures.architecture_table import build
from operators.nnunet.zoom import zoomed
from operators.packages.plans import Resampling
from tests.support.packages.synthetic_nnunet import Case, architecture_of, write_v2

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
CASE = Case(
    "fracture",
    features=(32, 64, 128, 256, 320, 320),
    kernels=((3, 3, 3),) * 6,
    strides=((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 1)),
    blocks=(2,) * 6,
    decoder_blocks=(2,) * 5,
    spacing=(0.807, 0.801, 0.807),
    patch=(112, 192, 112),
    mirrored=None,
    labels={"background": 0} | {name: n for n, name in enumerate(PANEL.fracture_classes, start=1)},
)
# Value outside the masked bone, as in FracSegNet
BLANK_HU = -1000
RIM_MM, CRACK_MM, CRACK_HU = 3.0, 0.75, 40
CROP_MM, SPACING_MM = (247, 166, 186), (1.0, 1.0, 1.0)
# Seeds of the bone for comparison and of those for training
COMPARED, LEARNT = 1, range(2, 8)
PHASES = (
    Phase((64, 64, 64), 900, 2e-3),
    Phase(CASE.patch, 120, 1e-3),
    Phase(CASE.patch, 90, 1e-3),
)


Floats = NDArray[np.float64]


def bone_crop(seed: int = COMPARED) -> tuple[NDArray[np.int16], Labels]:
    """Draws a synthetic bone, HU (z, y, x) at 1 mm in a box of CROP_MM, blanked outside, and its labels.

    Labels are 1 upper blade, 2 lower blade. The blades are ellipsoids that cross like those of a hip bone,
    each rotated in its own plane.
    """
    rng = np.random.default_rng(seed)
    axes = np.ogrid[: CROP_MM[0], : CROP_MM[1], : CROP_MM[2]]
    z, y, x = (axis - n / 2 for axis, n in zip(axes, CROP_MM, strict=True))
    turns = np.pi / 4 * np.array([1, -1]) + rng.uniform(-0.3, 0.3, 2)
    sizes = np.array([(82.0, 85.0, 18.0), (78.0, 80.0, 22.0)]) * rng.uniform(0.85, 1.1, (2, 3))
    upper, lower = (
        blade(z - middle, np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y, size)
        for middle, turn, size in zip((40, -45), turns, sizes, strict=True)
    )
    depth_mm = np.maximum(upper, lower)
    rough = ndimage.gaussian_filter(rng.normal(0, 1, CROP_MM).astype(np.float32), 1.5)
    places = [depth_mm <= 0, np.abs(upper - lower) < CRACK_MM, depth_mm <= RIM_MM]
    hu = np.select(places, [BLANK_HU, CRACK_HU, 900 + 900 * rough], 250 + 900 * rough)
    return hu.astype(np.int16), np.select([depth_mm <= 0, upper > lower], [0, 1], 2).astype(np.uint8)


def blade(a: Floats, b: Floats, c: Floats, half_axes_mm: Floats) -> Array:
    """Returns the depth inside an ellipsoid, in mm along its thin axis."""
    radius = sum((n / m) ** 2 for n, m in zip((a, b, c), half_axes_mm, strict=True)) ** 0.5
    return ((1 - radius) * half_axes_mm[2]).astype(np.float32)


def example(case: Case, seed: int) -> Example:
    """Returns a bone preprocessed for a case's network, and its target."""
    hu, where = bone_crop(seed)
    read = as_read(case, hu, SPACING_MM)
    return read[None], zoomed(where, read.shape, None, Resampling(0)).astype(np.uint8)


def made_folder(folder: Path) -> Path:
    """Returns the nnU-Net v2 folder, trained on first use; it is FOLDER.part until training is done."""
    if not folder.is_dir():
        began = time.monotonic()
        name, arguments = architecture_of(CASE)
        examples = [example(CASE, seed) for seed in LEARNT]
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        write_v2(CASE, part)
        for state in trained(build(name, **arguments), examples, PHASES):
            put(state, CASE, part)
            print(f"trained for {time.monotonic() - began:.0f} s", flush=True)
        part.rename(folder)
    return folder


if __name__ == "__main__":
    made_folder(Path(sys.argv[1]))
