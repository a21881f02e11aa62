"""Published networks as the benchmark parity writes them, with synthetic weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.packages.synthetic_nnunet import Case

CUBES, FIRST_FLAT, LAST_FLAT = ((3, 3, 3),) * 6, (1, 2, 2), (1, 2, 1)
FIVE = {"background": 0, **{f"class_{number}": number for number in range(1, 5)}}
SIX_STAGES: dict[str, Any] = {
    "kernels": CUBES,
    "blocks": (2,) * 6,
    "decoder_blocks": (2,) * 5,
    "mirrored": None,
}
FRACTURE = Case(
    "fracsegnet_fracture",
    features=(8, 16, 32, 64, 128, 256),
    spacing=(0.807, 0.801, 0.807),
    patch=(112, 192, 112),
    strides=((1, 1, 1), *((2, 2, 2),) * 4, LAST_FLAT),
    **SIX_STAGES,
)
ANATOMY_LOW = Case(
    "fracsegnet_anatomy_low",
    features=(8, 16, 32, 64, 128, 256),
    spacing=(1.773, 1.732, 1.732),
    patch=(96, 160, 128),
    strides=((1, 1, 1), FIRST_FLAT, *((2, 2, 2),) * 4),
    labels=FIVE,
    **SIX_STAGES,
)
ANATOMY_CASCADE = replace(
    ANATOMY_LOW, name="fracsegnet_anatomy", spacing=(0.8, 0.781, 0.781), before=ANATOMY_LOW
)
V1 = (FRACTURE, ANATOMY_CASCADE)
V2 = (
    Case("plain", features=(8, 16, 32), spacing=(1.2, 1.2, 1.2), patch=(64, 64, 64), mirrored=None),
    Case(
        "residual_regions",
        "ResidualEncoderUNet",
        features=(8, 16, 32),
        blocks=(1, 2, 2),
        decoder_blocks=(1, 1),
        spacing=(1.5, 1.5, 1.5),
        patch=(64, 64, 64),
        scheme="ZScoreNormalization",
        masked=True,
        mirrored=None,
        regions=(1, 2),
        labels={"background": 0, "whole": [1, 2], "core": [2]},
    ),
    Case(
        "slices",
        features=(8, 16, 32),
        kernels=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        spacing=(0.9, 0.9),
        patch=(128, 128),
        mirrored=None,
    ),
    Case(
        "thick_network",
        features=(8, 16, 32),
        kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
        folds=2,
        strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
        spacing=(3.5, 1.0, 1.0),
        patch=(24, 96, 96),
        mirrored=None,
    ),
)
FRACSEGNETS_FEATURES = {FRACTURE.name: (32, 64, 128, 256, 320, 320), "": (30, 60, 120, 240, 320, 320)}


def full_size(case: Case) -> Case:
    """Returns the case with as many features as FracSegNet."""
    features = FRACSEGNETS_FEATURES.get(case.name, FRACSEGNETS_FEATURES[""])
    before = case.before and full_size(case.before)
    return replace(case, features=features, before=before)
