"""The networks of `benchmarks.parity`: two of FracSegNet's shapes, trained a little, and some of nnU-Net v2.

Made-up weights let a voxel's class hang on the last digit. In a cascade that adds up: 3 voxels of a million
that the first stage called otherwise turned 4,800 in the second, whose features see them far around. So the
first two are trained for a minute to tell bands of density.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.short_training import State, as_read, trained
from operators.networks.architectures import build
from tests.made_nnunet import Case
from tests.made_nnunet_v1 import v1_architecture, v1_names, write_v1

Image = NDArray[np.float32]
States = dict[str, State]
CUBES, FIRST_FLAT, LAST_FLAT = ((3, 3, 3),) * 6, (1, 2, 2), (1, 2, 1)
FIVE = {"background": 0, **{f"class_{number}": number for number in range(1, 5)}}
SIX_STAGES = {"kernels": CUBES, "blocks": (2,) * 6, "decoder_blocks": (2,) * 5, "mirrored": None}
FRACTURE = Case(
    "fracsegnet_fracture", features=(8, 16, 32, 64, 128, 256), spacing=(0.807, 0.801, 0.807),
    patch=(112, 192, 112), strides=((1, 1, 1), *((2, 2, 2),) * 4, LAST_FLAT), **SIX_STAGES,
)
ANATOMY_LOW = Case(
    "fracsegnet_anatomy_low", features=(8, 16, 32, 64, 128, 256), spacing=(1.773, 1.732, 1.732),
    patch=(96, 160, 128), strides=((1, 1, 1), FIRST_FLAT, *((2, 2, 2),) * 4), labels=FIVE, **SIX_STAGES,
)
ANATOMY_CASCADE = replace(
    ANATOMY_LOW, name="fracsegnet_anatomy", spacing=(0.8, 0.781, 0.781), before=ANATOMY_LOW
)
V1 = (FRACTURE, ANATOMY_CASCADE)
V2 = (
    Case("plain", features=(8, 16, 32), spacing=(1.2, 1.2, 1.2), patch=(64, 64, 64), mirrored=None),
    Case(
        "residual_regions", "ResidualEncoderUNet", features=(8, 16, 32), blocks=(1, 2, 2),
        decoder_blocks=(1, 1), spacing=(1.5, 1.5, 1.5), patch=(64, 64, 64), scheme="ZScoreNormalization",
        masked=True, mirrored=None, regions=(1, 2), labels={"background": 0, "whole": [1, 2], "core": [2]},
    ),
    Case(
        "slices", features=(8, 16, 32), kernels=((3, 3),) * 3, strides=((1, 1), (2, 2), (2, 2)),
        spacing=(0.9, 0.9), patch=(128, 128), mirrored=None,
    ),
    Case(
        "thick_network", features=(8, 16, 32), kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)), folds=2,
        strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), spacing=(3.5, 1.0, 1.0), patch=(24, 96, 96), mirrored=None,
    ),
)
FRACSEGNETS_FEATURES = {FRACTURE.name: (32, 64, 128, 256, 320, 320), "": (30, 60, 120, 240, 320, 320)}
# HU between the classes, of an image smoothed by so many voxels; a stage before has seen a smoother one
BANDS_HU, SMOOTH, SMOOTHER = (100, 250, 450, 700), 1.0, 2.0


def full_size(case: Case) -> Case:
    """With as many features as FracSegNet has."""
    features = FRACSEGNETS_FEATURES.get(case.name, FRACSEGNETS_FEATURES[""])
    before = case.before and full_size(case.before)
    return replace(case, features=features, before=before)


def states_of(cases: tuple[Case, ...], image: Image, spacing: tuple[float, ...]) -> States:
    """Trained weights by the cases' names, those of stages before included."""
    every = [each for case in cases for each in (case.before, case) if each]
    return {case.name: trained_on(case, image, spacing) for case in every}


def trained_on(case: Case, image: Image, spacing: tuple[float, ...]) -> State:
    """Weights that tell bands of density in an image (z, y, x) in HU."""
    hu, read = as_read(case, image, spacing)
    truth, before = bands(hu, case, SMOOTH), bands(hu, case, SMOOTHER)
    channels = np.stack([read, *(before == value for value in range(1, case.inputs))])
    name, arguments = v1_architecture(case)
    return trained(build(name, **arguments), channels.astype(np.float32), truth)


def bands(hu: Image, case: Case, sigma: float) -> NDArray[np.uint8]:
    """The class of each voxel."""
    edges = BANDS_HU[: case.outputs - 1]
    return np.digitize(ndimage.gaussian_filter(hu, sigma), edges).astype(np.uint8)


def write_trained(case: Case, states: States, folder: Path) -> None:
    """A folder of nnU-Net v1 with trained weights in place of made-up ones."""
    last = write_v1(case, folder)
    for each, place in ((case, last), (case.before, folder / "3d_lowres")):
        for path in place.rglob("*.model") if each else ():
            content = torch.load(path, weights_only=False)
            named = v1_names(each, states[each.name])
            torch.save(content | {"state_dict": named}, path, _use_new_zipfile_serialization=False)
