"""A second synthetic package beside `made_packages`: a pair of rods 200 mm apart and an unpaired plate.

Its label values overlap those of the other package. Both decode their ground truth from the HU, which encode
`u`, the depth in mm along the patient's left.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import NetworkSpec
from tests.support.made_packages import CLASSES, HEAD, LABEL, LEFT, NETWORK, RIGHT, random_weights
from tests.support.phantoms import Affine, axial_affine

Array = NDArray[np.float32]
# Range of each bone along `u`: first those of the package "bones", then those of "limbs"
BONES_MM = {
    "side_right": (-62.0, -16.0), "middle": (-8.0, 9.0), "side_left": (15.0, 60.0),
    "rod_right": (-140.0, -105.0), "rod_left": (105.0, 140.0), "plate": (70.0, 92.0),
}  # fmt: skip
PAIRS = {"side": ("side_left", "side_right"), "rod": ("rod_left", "rod_right")}
BREAK_MM = 125.0
HU_PER_MM = 5.0
SHAPE, AFFINE = (104, 34, 34), axial_affine((3.0, 3.0, 3.0), (-156.0, -51.0, 0.0))
LIMBS = ("background", "rod", "plate")


def depths_mm(shape: tuple[int, int, int], affine: Affine) -> Array:
    """Returns `u` at each voxel (I, J, K)."""
    i = np.arange(shape[0], dtype=np.float32)
    u = affine[0, 0] * i + affine[0, 3]
    return np.broadcast_to(u[:, None, None], shape).astype(np.float32)


def limbs_ct() -> NDArray[np.int16]:
    """Returns Hounsfield units (I, J, K) that encode `u`."""
    return np.rint(depths_mm(SHAPE, AFFINE) * HU_PER_MM).astype(np.int16)


def expected_bones(u: Array) -> dict[str, NDArray[np.bool_]]:
    """Returns the mask of each bone."""
    return {name: (u > low) & (u < high) for name, (low, high) in BONES_MM.items()}


class KnowingNetworks(Networks):
    """Networks of both packages that decode the ground truth from the HU of their patch."""

    def __init__(self) -> None:
        super().__init__(Device("torch"))
        self.run: list[str] = []

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns a network with logits of its classes."""
        self.run.append(f"{spec.weights.parent.name} {spec.name}")
        low, high = spec.window_hu
        answer = breaks if spec.name == "fracture" else scores
        return cast(Runtime, lambda patch: answer((patch * (high - low) + low) / HU_PER_MM, spec.classes))


def scores(u: Array, classes: tuple[str, ...]) -> Array:
    """Returns logits of an anatomy network, 0 at each bone's surface."""
    depths = {name: np.minimum(u - low, high - u) for name, (low, high) in BONES_MM.items()}
    depths |= {name: np.maximum(depths[one], depths[other]) for name, (one, other) in PAIRS.items()}
    wanted = [depths[name] for name in classes[1:]]
    return np.stack([-np.max(wanted, axis=0), *wanted]).astype(np.float32)


def breaks(u: Array, classes: tuple[str, ...]) -> Array:
    """Returns logits of a fracture network: contact within 2 mm of the fracture, background where blanked."""
    contact = 2 - np.abs(u - BREAK_MM)
    blank = np.where(u < -195, 99, -99)
    return np.stack([blank, -contact, contact][: len(classes)]).astype(np.float32) * 3


def write_limbs(models: Path) -> CoarseToFinePackage:
    """Writes the package's folder with random weights below `models`."""
    folder = models / "limbs"
    folder.mkdir(parents=True)
    networks = []
    for name, classes in {"coarse": LIMBS, "fine": LIMBS, "fracture": CLASSES["fracture"]}.items():
        (folder / f"{name}.safetensors").write_bytes(random_weights(len(classes)))
        size = {"coarse": 5.0, "fine": 3.0, "fracture": 2.5}[name]
        listed = "[" + ", ".join(f'"{each}"' for each in classes) + "]"
        networks.append(
            NETWORK.format(name=name, outputs=len(classes), sha256="", spacing_mm=size, classes=listed)
        )
    labels = (
        LABEL.format(name="plate", meaning="Plate", first=1, last=1, laterality="", fine="plate"),
        LABEL.format(name="rod_left", meaning="Left rod", first=2, last=11, laterality=LEFT, fine="rod"),
        LABEL.format(name="rod_right", meaning="Right rod", first=12, last=21, laterality=RIGHT, fine="rod"),
    )
    blind = [text.replace('coarse_class = "rod_left"', 'coarse_class = "rod"') for text in labels]
    blind = [text.replace('coarse_class = "rod_right"', 'coarse_class = "rod"') for text in blind]
    head = HEAD.replace('"bones"', '"limbs"').replace("made-up bones", "limbs").replace("1.2.3", "0.7.0")
    head = head.replace("Osteon bones", "Osteon limbs") + '\n[find]\nkeep = "all"\n'
    text = "".join((head, *networks, *blind)).replace("patch = [16, 16, 16]", "patch = [40, 40, 40]")
    (folder / "package.toml").write_text(text, encoding="utf-8")
    return read_coarse_to_fine_package(folder / "package.toml")


def knowing(package: CoarseToFinePackage) -> CoarseToFinePackage:
    """Returns the package with larger voxels and patches, so that it runs fast."""
    sizes = {"coarse": 5.0, "fine": 3.0, "fracture": 2.5}
    specs: dict[str, Any] = {
        spec.name: replace(spec, spacing_mm=(sizes[spec.name],) * 3, patch=(40, 40, 40))
        for spec in package.networks
    }
    return replace(package, **specs)
