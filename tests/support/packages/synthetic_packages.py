"""Model packages for tests: three synthetic bones, one in the middle and one on each side.

package = made_package()                     # values only; a test brings its own networks
write_package(tmp_path / "bones")            # the same as a folder, with tiny random weights
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from operators.networks.architectures.architecture_table import build
from operators.package_files.package_reader import package_of
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import Label

NETWORK = """
[networks.{name}]
architecture = "plain_unet"
arguments = {{ dimensions = 3, outputs = {outputs}, filters = [4, 8, 8] }}
weights = "{name}.safetensors"
sha256 = "{sha256}"
spacing_mm = [{spacing_mm}, {spacing_mm}, {spacing_mm}]
patch = [16, 16, 16]
window_hu = [-1000.0, 1000.0]
classes = {classes}
"""

HEAD = """
kind = "coarse_to_fine"
name = "bones"
version = "1.2.3"
title = "made-up bones"
algorithm_name = "Osteon bones"

[accepts]
modalities = ["CT"]
sop_class_uids = ["1.2.840.10008.5.1.4.1.1.2"]
body_parts = ["TRUNK"]
minimum_slices = 2
minimum_extent_mm = 10.0
maximum_slice_spacing_mm = 6.0
maximum_pixel_spacing_mm = 3.0

[fragments]
strategy = "watershed_and_merge"
minimum_mm3 = 500.0
seed_probability = 0.5
fracture_logit = [-4.0, 10.0, 0.0, 0.0]
"""

LABEL = """
[[labels]]
name = "{name}"
meaning = "{meaning}"
first_value = {first}
last_value = {last}
category = {{ value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }}
type = {{ value = "272673000", scheme = "SCT", meaning = "Bone" }}
{laterality}rgb = [200, 150, 100]
coarse_class = "{name}"
fine_class = "{fine}"
minimum_ml = 1.0
"""

FILTERS = [4, 8, 8]
LEFT = 'laterality = { value = "7771000", scheme = "SCT", meaning = "Left" }\n'
RIGHT = 'laterality = { value = "24028007", scheme = "SCT", meaning = "Right" }\n'
LABELS = (
    LABEL.format(name="middle", meaning="Middle bone", first=1, last=10, laterality="", fine="middle"),
    LABEL.format(name="side_left", meaning="Left bone", first=11, last=20, laterality=LEFT, fine="side"),
    LABEL.format(name="side_right", meaning="Right bone", first=21, last=30, laterality=RIGHT, fine="side"),
)
COARSE = ("background", "middle", "side_left", "side_right")
FINE = ("background", "middle", "side")
FRACTURE = ("background", "interior", "contact")
CLASSES = {"coarse": COARSE, "fine": FINE, "fracture": FRACTURE}
SPACING_MM = {"coarse": 4.0, "fine": 2.0, "fracture": 1.6}


def package_text(sha256: dict[str, str] | None = None) -> str:
    """Returns a package.toml."""
    networks = [
        NETWORK.format(
            name=name,
            outputs=len(classes),
            sha256=(sha256 or {}).get(name, ""),
            spacing_mm=SPACING_MM[name],
            classes=json.dumps(classes),
        )
        for name, classes in CLASSES.items()
    ]
    return "".join((HEAD, *networks, *LABELS))


def made_package(folder: Path = Path("bones")) -> CoarseToFinePackage:
    """Returns the package of `package_text`."""
    package = package_of(tomllib.loads(package_text()), folder)
    assert isinstance(package, CoarseToFinePackage)
    return package


def label_named(name: str) -> Label:
    """Returns a label of the package under another name."""
    (label, *_) = made_package().labels
    return replace(label, structure=replace(label.structure, name=name))


def write_package(folder: Path, seed: int = 0, *, sees_bone: bool = False) -> Path:
    """Writes a package's folder with random weights; returns the path of its package.toml.

    With `sees_bone` every voxel gets the first class after the background, for any image.
    """
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    sums = {}
    for name, classes in CLASSES.items():
        content = bone_weights(len(classes)) if sees_bone else random_weights(len(classes))
        (folder / f"{name}.safetensors").write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    path = folder / "package.toml"
    path.write_text(package_text(sums), encoding="utf-8")
    return path


def random_weights(outputs: int) -> bytes:
    """Returns safetensors of the network that the packages name."""
    return saved(build("plain_unet", dimensions=3, outputs=outputs, filters=FILTERS))


def bone_weights(outputs: int) -> bytes:
    """Returns safetensors whose output is the first class after the background everywhere."""
    network = build("plain_unet", dimensions=3, outputs=outputs, filters=FILTERS)
    weights = network.state_dict()
    weights["decoder.head.weight"].zero_()
    weights["decoder.head.bias"].copy_(torch.eye(outputs)[1] * 9)
    return saved(network)


def saved(network: nn.Module) -> bytes:
    """Returns the safetensors of a network."""
    return save(network.state_dict())


def positions(shape: tuple[int, ...], ijk_to_lps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the position (..., 3) in mm of each voxel's centre."""
    indices = np.moveaxis(np.indices(shape), 0, -1)
    return indices @ ijk_to_lps[:3, :3].T + ijk_to_lps[:3, 3]


def centred_affine(columns_mm: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Returns an affine with these columns and the grid's centre at the patient's origin."""
    affine = np.eye(4)
    affine[:3, :3] = columns_mm
    affine[:3, 3] = -columns_mm @ ((np.array(shape) - 1) / 2)
    return affine
