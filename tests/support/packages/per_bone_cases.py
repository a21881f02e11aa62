"""A small arrangement like FracSegNet's: an anatomy cascade, and a network that splits its bones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_package
from operators.packages.packages import NetworkSpec
from operators.packages.plans import NnUNetPerBonePackage
from tests.support.packages.model_cases import ran
from tests.support.packages.synthetic_nnunet import MEASURES, Case
from tests.support.packages.synthetic_nnunet_v1 import write_v1

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
FIVE = {"background": 0, **{f"class_{number}": number for number in range(1, 5)}}
FOUR = {"background": 0, **{f"class_{number}": number for number in range(1, 4)}}
# (z, y, x), also the spacing of the tests' scans, so that predictions map to voxels one to one
SPACING_MM = (2.0, 1.5, 1.5)
FRACTURE = Case("fracture", features=(4, 8, 16), spacing=SPACING_MM, labels=FOUR)
LOW = replace(FRACTURE, name="anatomy_low", labels=FIVE)
ANATOMY = replace(LOW, name="anatomy", before=LOW)
# HU encode the ground truth: the anatomy's class in steps of 200 from 100, the fragment in steps of 20
SOFT_HU, BONE_HU, FRAGMENT_HU = -300, 200, 20


def coded(bones: Labels, fragments: Labels) -> NDArray[np.int16]:
    """Returns the HU of a scan that encode its ground truth."""
    hu = BONE_HU * bones.astype(np.int16) - 100 + FRAGMENT_HU * fragments
    return np.where(bones, hu, SOFT_HU).astype(np.int16)


class KnowingNetworks(Networks):
    """Networks that decode the ground truth from the HU of their patch."""

    def __init__(self) -> None:
        super().__init__(Device("torch"))

    def get(self, spec: NetworkSpec) -> Runtime:
        def answer(patch: Array) -> Array:
            image = patch if patch.ndim == spec.dimensions else patch[0]
            hu = np.rint(image * MEASURES["std"] + MEASURES["mean"]).astype(int)
            bones = (hu + 100) // BONE_HU
            fragments = (hu + 100 - BONE_HU * bones) // FRAGMENT_HU
            said = bones if len(spec.classes) == len(FIVE) else fragments * (bones > 0)
            return np.stack([20.0 * (said == value) for value in range(len(spec.classes))]).astype(np.float32)

        vars(answer)["rest"] = lambda: None
        return cast(Runtime, answer)


def imported(
    folder: Path, capsys: pytest.CaptureFixture[str], *more: str, anatomy: Case = ANATOMY
) -> tuple[int, str, Path]:
    """Runs `osteon models import`; returns exit code, output and the package's folder."""
    first, second = write_v1(anatomy, folder / "anatomy"), write_v1(FRACTURE, folder / "fracture")
    command = ("models", "import", first, "--fractures", second, "--name", "made")
    more = more or ("--labels", "ctpelvic1k")
    code, said = ran(capsys, *command, "--models", folder / "models", *more)
    return code, said, folder / "models" / "made" / "package.toml"


def imported_package(folder: Path, capsys: pytest.CaptureFixture[str]) -> NnUNetPerBonePackage:
    """Imports both networks as one package."""
    code, said, path = imported(folder, capsys)
    assert (code, said.startswith("made: installed")) == (0, True)
    package = read_package(path)
    assert isinstance(package, NnUNetPerBonePackage)
    return package
