"""Measures one and three packages that share networks of the real size, on a made-up trunk CT of 512x512x600.

    python -m benchmarks.networks.shared_networks [--against FOLDER] [--run]

Each case is a process of its own. The CT's Hounsfield units name the bone, and every network answers by
them; the real networks, with random weights, are loaded and run on one patch of each kind, whose seconds are
counted for all patches. With `--run` they run on every patch. FOLDER is another checkout, measured by the
same script.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from cyclopts import run
from numpy.typing import NDArray
from safetensors.torch import save

from benchmarks.process_usage import run_measured
from operators.geometry.volume import CtVolume, Grid
from operators.networks.architectures.architecture_table import build
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_package
from operators.packages.coarse_to_fine import CoarseToFinePackage, FindRules, OutlineRules, SideRules
from operators.packages.packages import Detection, Label, NetworkSpec
from operators.packages.structures import Side, read_structures, structure_named
from operators.pipelines import several
from operators.process.memory import keep_large_arrays_apart

HERE = Path(__file__).resolve().parents[2]
SHAPE, SPACING_MM = (512, 512, 600), (0.8, 0.8, 1.0)
# The bones' boxes in mm (left, posterior, superior) from the middle of the feet's end, and the class of each
BOXES: dict[str, list[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]] = {
    "one": [((-50, 50), (20, 50), (160, 260))],
    "two": [((-140, -55), (-50, 40), (120, 300)), ((55, 140), (-50, 40), (120, 300))],
    "three": [((-120, -85), (-30, 5), (5, 115)), ((85, 120), (-30, 5), (5, 115))],
    "four": [((-22, 22), (10, 55), (265, 590))],
    "five": [((-150, -140), (-60, 60), (320, 560)), ((140, 150), (-60, 60), (320, 560))],
}
OTHERS = tuple(f"other_{n}" for n in range(11))
CLASSES = ("background", *BOXES, *OTHERS)
HU_PER_CLASS = 60.0
# Which classes each package delivers, with one bone or with a pair
PACKAGES: dict[str, dict[str, tuple[Side | None, ...]]] = {
    "first": {"one": (None,), "two": ("left", "right")},
    "second": {"three": ("left", "right")},
    "third": {"four": (None,)},
}


class MeasuredNetworks(Networks):
    """Networks that answer by the HU; the real ones run on the first patch of each, or on all."""

    def __init__(self, is_run: bool) -> None:
        super().__init__(Device())
        self.is_run = is_run
        self.patches: Counter[str] = Counter()
        self.patch_s: defaultdict[str, float] = defaultdict(float)

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns what runs a patch."""
        real = super().get(spec)

        def run(patch: NDArray[np.float32]) -> NDArray[np.float32]:
            if self.is_run or not self.patches[spec.name]:
                began = time.process_time()
                real(patch)
                self.patch_s[spec.name] += time.process_time() - began
            self.patches[spec.name] += 1
            return answer(patch[0] if spec.guide else patch, spec)

        return cast(Runtime, run)


def answer(image: NDArray[np.float32], spec: NetworkSpec) -> NDArray[np.float32]:
    """Returns logits: the class whose HU are nearest; of the fracture network that nothing is broken."""
    logits = np.full((len(spec.classes), *image.shape), -9, np.float32)
    if spec.name == "fracture":
        logits[1] = 9
        return logits
    low, high = spec.window_hu
    hu = image * (high - low) + low
    for number in range(len(spec.classes)):
        np.subtract(HU_PER_CLASS / 2, np.abs(hu - number * HU_PER_CLASS), out=logits[number])
    logits /= 3
    return logits


def trunk() -> CtVolume:
    """Returns the CT: class n of the networks has n times HU_PER_CLASS."""
    hu = np.zeros(SHAPE[::-1], np.int16).T  # slice by slice, as it is read
    low_mm = np.array([-SHAPE[0] * SPACING_MM[0] / 2, -SHAPE[1] * SPACING_MM[1] / 2, 0.0])
    for number, boxes in enumerate(BOXES.values(), start=1):
        for box in boxes:
            edges = ((np.array(box) - low_mm[:, None]) / np.array(SPACING_MM)[:, None]).round().astype(int)
            hu[tuple(slice(a, b) for a, b in edges)] = number * HU_PER_CLASS
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = low_mm
    return CtVolume(hu, Grid(SHAPE, affine, "1.2.3"))


def packages(folder: Path) -> list[CoarseToFinePackage]:
    """Returns the three packages, whose networks have a real package's size and are written to `folder`."""
    models = Path(several.__file__).parents[2] / "models"  # of the checkout that is measured
    (path,) = [each for each in sorted(models.glob("*/package.toml")) if is_model(each)]
    model = read_package(path)
    assert isinstance(model, CoarseToFinePackage)
    coarse = shared(model.coarse, CLASSES, (), folder)
    fine = shared(model.fine, CLASSES, CLASSES[1:], folder)
    return [
        replace(
            model,
            name=name,
            labels=labels(delivered),
            coarse=coarse,
            fine=fine,
            accepts=replace(model.accepts, minimum_probability=0.0),
            find=FindRules("all"),
            sides=SideRules(("one", "four"), ("three",)),
            outline=OutlineRules(0.3),
        )
        for name, delivered in PACKAGES.items()
    ]


def is_model(path: Path) -> bool:
    """Returns whether a package is one in the coarse-to-fine pipeline with networks of its own."""
    package = read_package(path)
    return isinstance(package, CoarseToFinePackage) and package.coarse.weights.parent == path.parent


def shared(spec: NetworkSpec, classes: tuple[str, ...], guide: tuple[str, ...], folder: Path) -> NetworkSpec:
    """Returns a network of the same size with other classes, and random weights that it writes."""
    arguments: dict[str, Any] = {**spec.arguments, "inputs": 1 + len(guide), "outputs": len(classes)}
    content = save(build(spec.architecture, **arguments).state_dict())
    weights = folder / f"{spec.name}.safetensors"
    weights.write_bytes(content)
    return replace(
        spec,
        arguments=arguments,
        weights=weights,
        sha256=hashlib.sha256(content).hexdigest(),
        window_hu=(0.0, len(classes) * HU_PER_CLASS),
        classes=classes,
        guide=guide,
    )


def labels(delivered: dict[str, tuple[Side | None, ...]]) -> tuple[Label, ...]:
    """Returns a label for each bone, under the name of any structure that can be paired or not."""
    rows = read_structures()
    names = {paired: [name for name, row in rows.items() if row.paired == paired] for paired in (True, False)}
    found = [(one, side) for one, sides in delivered.items() for side in sides]
    return tuple(
        Label(
            structure_named(rows, names[side is not None][CLASSES.index(one)], side),
            1 + 10 * number,
            10 + 10 * number,
            Detection(one, one, 1.0, "by_side" if side else "by_class"),
        )
        for number, (one, side) in enumerate(found)
    )


def measure(count: int, is_run: bool) -> None:
    """Segments the CT with the first packages and prints what it took as JSON."""
    keep_large_arrays_apart()
    volume, networks = trunk(), MeasuredNetworks(is_run)
    with tempfile.TemporaryDirectory() as folder:
        used = packages(Path(folder))[:count]
        began = time.process_time()
        made = several.segment(volume, used, networks, lambda *_: None)
    own_s = time.process_time() - began - sum(networks.patch_s.values())
    patches = networks.patches
    networks_s = sum(networks.patch_s[name] * (1 if is_run else n) for name, n in patches.items())
    segments = sorted(segment.bone for segment in made.segments)
    print(json.dumps({"own_s": own_s, "networks_s": networks_s, "patches": patches, "segments": segments}))


def main(*, against: Path | None = None, run: bool = False, measured: int = 0) -> None:
    """Prints a line for each checkout and number of packages, and the ratios.

    With `measured`, a process measures that many packages in the checkout whose modules it imports.
    """
    if measured:
        measure(measured, run)
        return
    for count in (1, len(PACKAGES)):
        for tree in [HERE, *([against.resolve()] if against else [])]:
            show(tree, count, run)


def show(tree: Path, count: int, is_run: bool) -> None:
    """Prints what a checkout takes for a number of packages."""
    # Without the folder of this script on the path, only the other checkout is imported
    words = [sys.executable, "-P", __file__, "--measured", str(count), *(["--run"] if is_run else [])]
    os.environ["PYTHONPATH"] = str(tree)
    with tempfile.TemporaryDirectory() as folder:
        usage = run_measured(words, Path(folder) / "log")
    if usage.returncode:
        raise subprocess.CalledProcessError(usage.returncode, words, usage.output)
    found = usage.last_json()
    print(
        f"{tree.name}, {count} packages: {found['networks_s']:.0f} s of processor time in networks and "
        f"{found['own_s']:.0f} s beside them, peak {usage.peak_rss_mb:.0f} MB, patches {found['patches']}, "
        f"{len(found['segments'])} segments"
    )


if __name__ == "__main__":
    run(main)
