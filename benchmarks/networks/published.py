"""Compares published networks in Osteon with nnU-Net v2's own predictor: seconds, memory, same labels.

    python -m benchmarks.networks.published --peer PYTHON [--only fracture small export large] [--work FOLDER]

Ratios are of one run, each program in its own process including start and loading, without mirroring:

- fracture: a network of FracSegNet's size on one bone (benchmarks/networks/synthetic_fracture.py);
- small: five stages from 16 features at 2 mm on 512x512x274, random weights;
- export: resampling to that network and from its output to labels, without the network itself;
- large: memory for 512x512x1500 and 25 classes; without the peer, which would need far too much.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks.synthetic_fracture import SPACING_MM, bone_crop, made_folder
from benchmarks.process_usage import ProcessUsage, run_checked
from operators.importing.formats import read_published
from operators.importing.install import NewPackage, install
from operators.importing.label_tables import row_of
from operators.importing.published import Published, Wanted
from operators.package_files.package_reader import PACKAGE_FILE
from tests.support.packages.synthetic_nnunet import Case, write_v2
from training.command_line import MANY, run

Labels = NDArray[np.uint8] | NDArray[np.uint16]
SMALL = Case(
    "small",
    features=(16, 32, 64, 128, 160),
    kernels=((3, 3, 3),) * 5,
    blocks=(2,) * 5,
    strides=((1, 1, 1), *((2, 2, 2),) * 4),
    decoder_blocks=(2,) * 4,
    spacing=(2.0, 2.0, 2.0),
    patch=(96, 96, 96),
    mirrored=None,
    labels={"background": 0, **{f"bone_{number}": number for number in range(1, 5)}},
)
LARGE = replace(
    SMALL, name="large", labels={"background": 0, **{f"bone_{number}": number for number in range(1, 25)}}
)
WHOLE_BODY_SLICES = 1500
BONE = {"meaning": "Bone", "type": {"value": "272673000", "scheme": "SCT", "meaning": "Bone"}}
# Runs to compare: a name, and the arguments of osteon_run
RUNS = {
    "exact, f32": (),
    "exact, bf16": ("--precision", "bf16"),
    "fast": ("--mode", "fast"),
    "fast, f32": ("--mode", "fast", "--precision", "f32"),
}


def main(
    *,
    peer: Path,
    only: Annotated[tuple[Literal["fracture", "small", "export", "large"], ...], MANY] = (),
    work: Path = Path("build/bench"),
) -> None:
    """Runs all parts, or some only; `peer` is the python of an environment with nnunetv2."""
    work.mkdir(parents=True, exist_ok=True)
    for part in only or PARTS:
        PARTS[part](work, peer)


def fracture(work: Path, peer: Path) -> None:
    """Compares on one bone."""
    folder, volume = made_folder(work / "fracture"), work / "bone.npz"
    if not volume.is_file():
        np.savez(volume, hu=bone_crop()[0], spacing=SPACING_MM)
    compare("one bone, a network of FracSegNet's size", folder, volume, peer)


def small(work: Path, peer: Path) -> None:
    """Compares on the bones of a whole CT at 2 mm."""
    compare("512x512x274, a small network at 2 mm", folder_of(SMALL, work), whole_ct(work), peer)


def export(work: Path, peer: Path) -> None:
    """Compares resampling and export alone."""
    folder, volume = folder_of(SMALL, work), whole_ct(work)
    theirs = run_peer(peer, folder, volume)
    ours = run_ours(package_of(folder), volume, ("--instant",))
    before, after = theirs.last_json(), ours.last_json()
    came, went = before["resampling"][0], before["export"][0]
    comes, goes = after["resampling"][0], after["network and export"][0]
    print(
        f"resampling and export alone, 512x512x274 and 2 mm: nnU-Net {came:.2f} + {went:.2f} s, "
        f"{before['export'][1]} MB; osteon {comes:.2f} + {goes:.2f} s, {after['network and export'][1]} MB: "
        f"{(came + went) / (comes + goes):.1f} times"
    )


def large(work: Path, _: Path) -> None:
    """Measures the memory for a whole body."""
    volume = work / "body.npz"
    if not volume.is_file():
        hu = np.load(whole_ct(work))["hu"]
        np.savez(volume, hu=np.resize(hu, (WHOLE_BODY_SLICES, *hu.shape[1:])), spacing=(1.0, 0.8, 0.8))
    package = package_of(folder_of(LARGE, work))
    for name, options in (("exact", ()), ("fast", RUNS["fast"])):
        ours = run_ours(package, volume, options)
        print(
            f"512x512x{WHOLE_BODY_SLICES}, 25 classes at 2 mm, {name}: {ours.seconds:.1f} s, "
            f"peak {ours.peak_rss_mb:.0f} MB; {ours.last_json()}"
        )


PARTS = {"fracture": fracture, "small": small, "export": export, "large": large}


def folder_of(case: Case, work: Path) -> Path:
    """Returns nnU-Net's folder of a case with random weights, written on first use."""
    folder = work / case.name
    return folder if folder.is_dir() else write_v2(case, folder)


def whole_ct(work: Path) -> Path:
    """Returns a body with two bones, 512x512x274; run time depends on its size, not on its content."""
    path = work / "body.npz"
    if not path.is_file():
        y, x = np.ogrid[:512, :512]
        plane = np.full((512, 512), -1000, np.int16)
        for middle, half, value in ((256, (150, 210), 40), (170, (40, 30), 600), (342, (40, 30), 600)):
            plane[((y - 256) / half[0]) ** 2 + ((x - middle) / half[1]) ** 2 < 1] = value
        noise = np.random.default_rng(1).normal(0, 20, plane.shape).astype(np.int16)
        hu = np.stack([plane + np.roll(noise, number, axis=0) for number in range(274)])
        np.savez(path, hu=hu, spacing=(1.0, 0.8, 0.8))
    return path


def package_of(folder: Path) -> Path:
    """Returns the folder imported as a package, on first use."""
    models = folder.parent / "models"
    if not (models / folder.name / PACKAGE_FILE).is_file():
        install_model(read_published(folder, Wanted()), folder.name, models)
    return models / folder.name


def install_model(model: Published, name: str, models: Path, orientation: str = "LPS") -> Path:
    """Installs a model like `osteon models import`, with one code for all labels; returns the folder."""
    rows = [row_of(f"class_{value}", value, BONE) for value in model.values.values()]
    return install(model, NewPackage(name, name, rows, orientation), models)


def compare(title: str, folder: Path, volume: Path, peer: Path) -> None:
    """Compares every run with the peer and prints each result as it comes."""
    theirs = run_peer(peer, folder, volume)
    truth = np.load(folder / "labels.npz")["labels"]
    print(f"{title}: nnU-Net v2 {theirs.seconds:.1f} s, {theirs.peak_rss_mb:.0f} MB")
    print(f"    {theirs.last_json()}", flush=True)
    package, exact = package_of(folder), truth
    for name, options in RUNS.items():
        ours = run_ours(package, volume, options)
        found = np.load(package / "labels.npz")["labels"]
        exact = found if name == "exact, f32" else exact
        print(
            f"  {name}: {ours.seconds:.1f} s, {theirs.seconds / ours.seconds:.1f} times; "
            f"{working(theirs) / working(ours):.1f} times without start and loading; "
            f"{ours.peak_rss_mb:.0f} MB, {ours.peak_rss_mb / theirs.peak_rss_mb:.0%}; "
            f"lowest Dice to nnU-Net {least_dice(found, truth):.4f}, to exact {least_dice(found, exact):.4f}"
        )
        print(f"    {ours.last_json()}", flush=True)


def run_peer(peer: Path, folder: Path, volume: Path) -> ProcessUsage:
    """Runs nnU-Net's predictor."""
    script = Path(__file__).parent / "nnunet_peer.py"
    return run_checked([str(peer), str(script), str(folder), str(volume), str(folder / "labels.npz")], folder)


def run_ours(package: Path, volume: Path, options: tuple[str, ...]) -> ProcessUsage:
    """Runs Osteon."""
    command = [sys.executable, "-m", "benchmarks.networks.osteon_run", *map(str, (package, volume))]
    return run_checked([*command, str(package / "labels.npz"), *options], package)


def working(done: ProcessUsage) -> float:
    """Returns the seconds without process start and loading."""
    return sum(seconds for stage, (seconds, _) in done.last_json().items() if stage != "loading")


def least_dice(found: Labels, other: Labels) -> float:
    """Returns the least Dice of all values but the background."""
    shares = []
    for value in np.union1d(found, other)[1:]:
        here, there = found == value, other == value
        shares.append(2 * np.sum(here & there) / (np.sum(here) + np.sum(there)))
    return float(min(shares, default=1.0))


if __name__ == "__main__":
    run(main, __doc__)
