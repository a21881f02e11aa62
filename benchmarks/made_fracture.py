"""A network of FracSegNet's size that says something steady: a yardstick, not a segmenter.

    python -m benchmarks.made_fracture FOLDER

It is trained for a minute or two to tell the rim of a made-up bone (within 3 mm of its surface) from its
inside. FOLDER becomes one of nnU-Net v2 that the original and `osteon models import` read alike.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.short_training import as_read, trained
from operators.imaging.recipes import Resampling
from operators.imaging.zoom import zoomed
from operators.networks.architectures import build
from tests.made_nnunet import Case, architecture_of, v2_names, write_v2

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
    labels={"background": 0, "sacrum": 1, "hip_left": 2},
)
# Of air around the masked bone, as FracSegNet blanks it
BLANK_HU = -1000
RIM_MM = 3.0
CROP_MM, SPACING_MM = (247, 166, 186), (1.0, 1.0, 1.0)


def bone_crop() -> tuple[NDArray[np.int16], Labels]:
    """HU (z, y, x) at 1 mm of a made-up bone in a box of CROP_MM, blanked around it; 1 rim, 2 inside.

    Two blades that cross as those of a hip bone do: ellipsoids, each turned in a plane of its own.
    """
    axes = np.ogrid[: CROP_MM[0], : CROP_MM[1], : CROP_MM[2]]
    z, y, x = (axis - n / 2 for axis, n in zip(axes, CROP_MM, strict=True))
    upper = blade(z - 40, (y + x) / 2**0.5, (y - x) / 2**0.5, (82.0, 95.0, 18.0))
    lower = blade(z + 45, (y - x) / 2**0.5, (y + x) / 2**0.5, (78.0, 80.0, 22.0))
    depth_mm = np.maximum(upper, lower)
    rough = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, CROP_MM).astype(np.float32), 1.5)
    bone = depth_mm > 0
    where = (bone.astype(np.uint8) + (depth_mm > RIM_MM)).astype(np.uint8)
    hu = np.select([where == 2, where == 1], [250 + 900 * rough, 900 + 900 * rough], BLANK_HU)
    return hu.astype(np.int16), where


def blade(a: Array, b: Array, c: Array, half_axes_mm: tuple[float, float, float]) -> Array:
    """How deep in an ellipsoid, in mm about its thin axis."""
    radius = sum((n / m) ** 2 for n, m in zip((a, b, c), half_axes_mm, strict=True)) ** 0.5
    depth: Array = ((1 - radius) * half_axes_mm[2]).astype(np.float32)
    return depth


def examples() -> tuple[Array, Labels]:
    """The crop as the network reads it, and what it is to say."""
    hu, where = bone_crop()
    _, read = as_read(CASE, hu, SPACING_MM)
    return read, zoomed(where, read.shape, None, Resampling(0)).astype(np.uint8)


def made_folder(folder: Path) -> Path:
    """The folder of nnU-Net v2, made where it is not there yet."""
    if not (folder / "plans.json").is_file():
        began = time.monotonic()
        name, arguments = architecture_of(CASE)
        image, truth = examples()
        state = v2_names(CASE, trained(build(name, **arguments), image[None], truth))
        write_v2(CASE, folder)
        path = folder / "fold_0" / "checkpoint_final.pth"
        content = torch.load(path, weights_only=False)
        torch.save(content | {"network_weights": state}, path)
        print(f"trained in {time.monotonic() - began:.0f} s")
    return folder


if __name__ == "__main__":
    made_folder(Path(sys.argv[1]))
