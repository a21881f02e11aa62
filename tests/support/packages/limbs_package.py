"""A second synthetic package beside `synthetic_packages`: a pair of rods 200 mm apart and an unpaired plate.

Its label values overlap those of the other package. Both decode their ground truth from the HU, which encode
`u`, the depth in mm along the patient's left.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from operators.networks.architectures.architecture_table import build
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import NetworkSpec
from tests.support.dicom.phantoms import Affine, axial_affine
from tests.support.packages.synthetic_packages import (
    CLASSES,
    FILTERS,
    HEAD,
    LABEL,
    LABELS,
    LEFT,
    NETWORK,
    RIGHT,
    random_weights,
    saved,
)

Array = NDArray[np.float32]
# Range of each bone along `u`: first those of the package "bones", then those of "limbs"
BONES_MM = {
    "side_right": (-62.0, -16.0), "middle": (-8.0, 9.0), "side_left": (15.0, 60.0),
    "rod_right": (-140.0, -105.0), "rod_left": (105.0, 140.0), "plate": (70.0, 92.0),
}  # fmt: skip
# A bone that the shared networks know and that no package delivers
NEIGHBOURS_MM = {"shadow": (-100.0, -66.0)}
PAIRS = {"side": ("side_left", "side_right"), "rod": ("rod_left", "rod_right")}
BREAK_MM = 125.0
HU_PER_MM = 5.0
SHAPE, AFFINE = (104, 34, 34), axial_affine((3.0, 3.0, 3.0), (-156.0, -51.0, 0.0))
LIMBS = ("background", "rod", "plate")
SHARED = {
    "coarse": ("background", "middle", "side_left", "side_right", "rod", "plate", "shadow"),
    "fine": ("background", "middle", "side", "rod", "plate", "shadow"),
    "fracture": CLASSES["fracture"],
}
LIMB_LABELS = tuple(
    LABEL.format(name=name, meaning=meaning, first=first, last=first + 9, laterality=laterality, fine=fine)
    .replace('coarse_class = "rod_left"', 'coarse_class = "rod"')
    .replace('coarse_class = "rod_right"', 'coarse_class = "rod"')
    for name, meaning, first, laterality, fine in (
        ("plate", "Plate", 1, "", "plate"),
        ("rod_left", "Left rod", 11, LEFT, "rod"),
        ("rod_right", "Right rod", 21, RIGHT, "rod"),
    )
)
TRIO = {"middles": LABELS, "plates": LIMB_LABELS[:1], "rods": LIMB_LABELS[1:]}


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
    """Networks of all packages that decode the ground truth from the HU of their patch, and count patches."""

    def __init__(self) -> None:
        super().__init__(Device("torch"))
        self.run: list[str] = []
        self.patches: Counter[str] = Counter()

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns a network with logits of its classes."""
        self.run.append(f"{spec.weights.parent.name} {spec.name}")
        low, high = spec.window_hu
        answer = breaks if spec.name == "fracture" else scores

        def run(patch: Array) -> Array:
            self.patches[spec.name] += 1
            image = patch[0] if spec.guide else patch
            return answer((image * (high - low) + low) / HU_PER_MM, spec.classes)

        return cast(Runtime, run)

    def rest(self) -> None:
        """Does nothing: there is no runtime."""


def scores(u: Array, classes: tuple[str, ...]) -> Array:
    """Returns logits of an anatomy network, 0 at each bone's surface."""
    ranges_mm = {**BONES_MM, **NEIGHBOURS_MM}
    depths = {name: np.minimum(u - low, high - u) for name, (low, high) in ranges_mm.items()}
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
    head = HEAD.replace('"bones"', '"limbs"').replace("made-up bones", "limbs").replace("1.2.3", "0.7.0")
    head = head.replace("Osteon bones", "Osteon limbs") + '\n[find]\nkeep = "all"\n'
    text = "".join((head, *networks, *LIMB_LABELS)).replace("patch = [16, 16, 16]", "patch = [40, 40, 40]")
    (folder / "package.toml").write_text(text, encoding="utf-8")
    return read_coarse_to_fine_package(folder / "package.toml")


def write_trio(models: Path) -> tuple[CoarseToFinePackage, ...]:
    """Writes three packages below `models` that share all networks, which are in a folder of their own."""
    networks = "".join(write_shared(models / "skeleton", name) for name in SHARED)
    packages = []
    for name, labels in TRIO.items():
        head = HEAD.replace('"bones"', f'"{name}"').replace("made-up bones", name)
        head = head.replace("Osteon bones", f"Osteon {name}") + '\n[find]\nkeep = "all"\n'
        (models / name).mkdir()
        (models / name / "package.toml").write_text("".join((head, networks, *labels)), encoding="utf-8")
        packages.append(read_coarse_to_fine_package(models / name / "package.toml"))
    return tuple(packages)


def write_shared(folder: Path, name: str) -> str:
    """Writes the weights of one of the shared networks; returns its table of package.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    classes, guide = SHARED[name], ["middle", "rod"] if name == "fine" else []
    inputs = 1 + len(guide)
    network = build("plain_unet", dimensions=3, inputs=inputs, outputs=len(classes), filters=FILTERS)
    content = saved(network)
    (folder / f"{name}.safetensors").write_bytes(content)
    text = NETWORK.format(
        name=name,
        outputs=len(classes),
        sha256=hashlib.sha256(content).hexdigest(),
        spacing_mm={"coarse": 5.0, "fine": 3.0, "fracture": 2.5}[name],
        classes=json.dumps(classes),
    )
    text = text.replace(f'"{name}.safetensors"', f'"../skeleton/{name}.safetensors"')
    text = text.replace("outputs =", f"inputs = {inputs}, outputs =").replace("[16, 16, 16]", "[24, 24, 24]")
    return text + f"guide = {json.dumps(guide)}\n"


def knowing(package: CoarseToFinePackage) -> CoarseToFinePackage:
    """Returns the package with larger voxels and patches, so that it runs fast."""
    sizes = {"coarse": 5.0, "fine": 3.0, "fracture": 2.5}
    specs: dict[str, Any] = {
        spec.name: replace(spec, spacing_mm=(sizes[spec.name],) * 3, patch=(40, 40, 40))
        for spec in package.networks
    }
    return replace(package, **specs)
