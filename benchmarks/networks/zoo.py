"""Compares bundles of MONAI's Model Zoo in Osteon and in MONAI itself, with random weights.

    python -m benchmarks.networks.zoo FOLDER [NAME ...]      FOLDER: a checkout of Project-MONAI/model-zoo

The checkout has no weights: for each bundle that can be read, MONAI builds the network of its configuration
with random weights, and the labels of both are compared on a small image. Prints a row for each bundle, for
docs/models.md.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose
from numpy.typing import NDArray

from benchmarks.networks.published import install_model
from operators.errors import ModelError
from operators.geometry.volume import CtVolume, Grid
from operators.importing.monai_bundle.bundle import inference_file, read_bundle
from operators.importing.published import PublishedBundle, Wanted
from operators.networks.architectures.architecture_table import build
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.pipelines.several import segment
from training.command_line import run


def main(folder: Path, /, *names: str) -> None:
    """Prints the table."""
    there = sorted(path.parents[1] for path in folder.glob("models/*/configs/metadata.json"))
    for bundle in there:
        if bundle.name in (names or [bundle.name]) and inference_file(bundle) is not None:
            with tempfile.TemporaryDirectory() as work:
                print(f"| {bundle.name} | {outcome(bundle, Path(work))} |", flush=True)


def outcome(bundle: Path, work: Path) -> str:
    """Runs one bundle and describes the result."""
    folder = work / bundle.name
    shutil.copytree(bundle, folder, ignore=lambda *_: ["models"])
    try:
        return compared(folder, work)
    except ModelError as error:
        return f"refused ({error.code}): {str(error)[:120]}"


def compared(folder: Path, work: Path) -> str:
    """Imports and runs a bundle, and compares its labels with MONAI's."""
    (folder / "models").mkdir()
    weights = folder / "models" / "made.pt"
    weights.touch()
    model = read_bundle(folder, Wanted(checkpoint=weights.name))
    torch.manual_seed(0)
    network = build(model.architecture, **model.arguments).eval()
    torch.save(network.state_dict(), weights)
    volume = made_volume()
    began = time.monotonic()
    labels = of_osteon(model, volume, work)
    took_s = time.monotonic() - began
    expected = of_monai(folder, network, volume, work)
    millions = sum(tensor.numel() for tensor in network.parameters()) / 1e6
    differ = int(np.sum(labels != expected))
    return (
        f"{model.architecture.removeprefix('monai_')}, {millions:.1f} M weights, {len(model.values)} labels: "
        f"{differ} of {labels.size:,} voxels differ, {len(np.unique(labels))} values, {took_s:.0f} s"
    )


def made_volume() -> CtVolume:
    """Returns a smooth image with noise, slices of 3 mm."""
    rng = np.random.default_rng(4)
    hu = np.kron(rng.normal(50, 200, (5, 6, 5)), np.ones((9, 8, 7))) + rng.normal(0, 30, (45, 48, 35))
    grid = Grid(hu.shape, np.diag([-2.0, -1.9, 3.0, 1.0]), "1.2.3")
    return CtVolume(np.rint(hu).astype(np.float32), grid)


def of_osteon(model: PublishedBundle, volume: CtVolume, work: Path) -> NDArray[np.uint8]:
    """Segments like `osteon models import` and `osteon run`."""
    path = install_model(model, "made", work / "models", orientation="") / PACKAGE_FILE
    found = segment(volume, [read_package(path)], Networks(Device("torch")), lambda *_: None)
    return found.label_map.labels.astype(np.uint8)


def of_monai(folder: Path, network: torch.nn.Module, volume: CtVolume, work: Path) -> NDArray[np.uint8]:
    """Segments with MONAI's transforms, inferer and network."""
    file, ras = work / "scan.nii", np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.ijk_to_lps
    nibabel.save(nibabel.Nifti1Image(volume.hu, ras), file)
    path = inference_file(folder)
    assert path is not None
    # ITK is not installed, and reads the same from a NIfTI file
    path.write_text(path.read_text().replace("ITKReader", "NibabelReader"))
    parser = ConfigParser()
    parser.read_config(path)
    data = parser.get_parsed_content("preprocessing")({"image": str(file)})
    with torch.no_grad():
        answer = parser.get_parsed_content("inferer")(data["image"][None], network)
    given = {"image": data["image"], "pred": MetaTensor(answer[0])}
    transforms = parser.get_parsed_content("postprocessing").transforms
    kept = [each for each in transforms if type(each).__name__ != "SaveImaged"]
    return np.asarray(Compose(kept)(given)["pred"])[0].astype(np.uint8)


if __name__ == "__main__":
    run(main, __doc__)
