"""Compares two published networks and the fractures behind them with nnU-Net v2's own predictor.

    python -m benchmarks.networks.two_published --peer PYTHON [--slices 274] [--run fast ...] [--work FOLDER]

Both networks have TotalSegmentator's size (31 M weights, six stages from 32 features, 1.5 mm, patch
128x128x128, 25 and 22 classes) and random weights; they read one CT of 512x512 voxels a slice. nnU-Net's
predictor runs one after the other, without mirroring and without fractures. Osteon runs both as packages
whose bones go through the shared fracture network. Since random weights find nothing, the answer of a network
that has run is replaced by the bones of the CT, which its Hounsfield units tell apart. Seconds include start
and loading.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.networks.published import run_peer, working
from benchmarks.process_usage import StageClock, run_checked
from operators.geometry.volume import CtVolume, Grid
from operators.importing.descriptions import Description, describe, read_model, with_shared_fracture
from operators.importing.install import install
from operators.importing.label_tables import named_table
from operators.importing.published import Wanted
from operators.importing.shared_fracture import shared_fracture
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import PACKAGE_FILE, read_packages
from operators.packages.packages import NetworkSpec
from operators.pipelines import several
from operators.process.installation import bundled_models
from operators.process.memory import keep_large_arrays_apart
from tests.support.packages.synthetic_nnunet import Case, write_v2

TABLE, COUNTS = "totalsegmentator", (25, 22)
SPACING_MM = (0.8, 0.8, 1.0)
# Each bone drawn is brighter than the one before it; all are between the percentiles to which networks clip
FIRST_HU, STEP_HU, BODY_HU, BONE_HU = 260.0, 80.0, 40.0, 160.0
BONES = 3
MODES = {"exact": (), "exact, bf16": ("--precision", "bf16"), "fast": ("--mode", "fast")}


@dataclass(frozen=True)
class Published:
    """One of the networks: its name and its classes. The first bones that can be split are drawn."""

    name: str
    classes: tuple[str, ...]
    drawn: tuple[str, ...]

    @property
    def case(self) -> Case:
        """The network as nnU-Net's files describe it."""
        levels = 6
        return Case(
            self.name,
            features=(32, 64, 128, 256, 320, 320),
            kernels=((3, 3, 3),) * levels,
            blocks=(2,) * levels,
            strides=((1, 1, 1), *((2, 2, 2),) * (levels - 1)),
            decoder_blocks=(2,) * (levels - 1),
            spacing=(1.5, 1.5, 1.5),
            patch=(128, 128, 128),
            mirrored=None,
            labels={"background": 0, **{name: value for value, name in enumerate(self.classes, start=1)}},
        )


def published() -> list[Published]:
    """Returns both networks, with the names of a known table."""
    entries, split = named_table(TABLE).entries, shared_fracture(bundled_models()).users
    names, found = list(entries), list[Published]()
    for count in COUNTS:
        classes, names = names[:count], names[count:]
        drawn = sorted(classes, key=lambda name: entries[name]["structure"] not in split)[:BONES]
        found.append(Published(f"part{len(found) + 1}", tuple(classes), tuple(drawn)))
    return found


def drawn_hu(networks: Sequence[Published]) -> dict[str, float]:
    """Returns the Hounsfield units of each bone that the CT shows."""
    names = [name for network in networks for name in network.drawn]
    return {name: FIRST_HU + STEP_HU * number for number, name in enumerate(names)}


def write_ct(path: Path, levels: Sequence[float], slices: int) -> None:
    """Writes a body with rods along it, every second one with a gap across it."""
    rng = np.random.default_rng(1)
    z, y, x = np.ogrid[:slices, :512, :512]
    body = ((y - 256) / 160) ** 2 + ((x - 256) / 215) ** 2 < 1
    hu = np.where(np.broadcast_to(body, (slices, 512, 512)), np.int16(BODY_HU), np.int16(-1000))
    for number, level in enumerate(levels):
        angle = 2 * np.pi * number / len(levels)
        rod = ((y - 256 - 90 * np.sin(angle)) / 28) ** 2 + ((x - 256 - 130 * np.cos(angle)) / 28) ** 2 < 1
        there = rod & (np.abs(z - slices / 2) < 0.4 * slices)
        if number % 2:
            there &= np.abs(z - slices / 2 - (x - 256) / 8) > 1.5
        hu[there] = level
    for plane in hu:
        plane += rng.normal(0, 8, plane.shape).astype(np.int16)
    np.savez(path, hu=hu, spacing=SPACING_MM[::-1])


class Answering(Networks):
    """Networks that run, and then answer with the bones of the CT; the fracture network answers itself."""

    levels: dict[str, float]

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns what runs a patch."""
        real = super().get(spec)
        if not set(spec.classes) & set(self.levels):
            return real

        def run(patch: NDArray[np.float32]) -> NDArray[np.float32]:
            return answer(patch, real(patch), spec, self.levels)

        return cast(Runtime, run)


def answer(
    patch: NDArray[np.float32], logits: NDArray[np.float32], spec: NetworkSpec, levels: dict[str, float]
) -> NDArray[np.float32]:
    """Returns logits of the bones of a patch: of each connected component the one of the nearest level."""
    hu = patch.reshape(logits.shape[1:]) * spec.normalisation.std + spec.normalisation.mean
    pieces, count = ndimage.label(hu > BONE_HU)
    found = np.full_like(logits, -9)
    found[0] = 0
    names = list(levels)
    for number, middle in enumerate(ndimage.median(hu, pieces, range(1, count + 1)), start=1):
        name = min(names, key=lambda each: abs(levels[each] - middle))
        if name in spec.classes:
            found[spec.classes.index(name)][pieces == number] = 9
    return found


def install_both(networks: Sequence[Published], work: Path) -> list[Path]:
    """Returns nnU-Net's folders, written and imported as packages on first use."""
    models, folders = work / "models", [work / network.name for network in networks]
    for network, folder in zip(networks, folders, strict=True):
        if not folder.is_dir():
            write_v2(network.case, folder)
        if not (models / network.name / PACKAGE_FILE).is_file():
            model = read_model(folder, None, Wanted())
            new = describe(model, Description(network.name, network.name, TABLE, by_value=False))
            install(model, with_shared_fracture(model, new, shared_fracture(models)), models)
    return folders


def measure(models: Path, volume: Path, mode: str, precision: str) -> None:
    """Segments the CT with both packages; prints the stages, as the peer does, and what was found."""
    keep_large_arrays_apart()
    clock = StageClock()
    content, networks = np.load(volume), Answering(Device(precision=precision), mode)
    networks.levels = drawn_hu(published())
    hu = content["hu"].transpose(2, 1, 0)
    packages = read_packages(models)
    clock.ended("loading")
    parts = several.resample(CtVolume(hu, Grid(hu.shape, np.diag([*SPACING_MM, 1.0]), "1.2.3")), packages)
    clock.ended("resampling")
    parts = several.segment_anatomy(parts, networks, lambda *_: None)
    clock.ended("networks and export")
    made = several.segment_fractures(parts, networks, lambda *_: None)
    clock.ended("fractures")
    print(", ".join(f"{one.bone} {one.fragment or 'whole'}" for one in made.segments))
    print(json.dumps(clock.stages))


def main() -> None:
    """Runs the peer on both networks and Osteon in each mode, and prints seconds, memory and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=Path, help="python of an environment with nnunetv2")
    parser.add_argument("--slices", type=int, default=274)
    parser.add_argument("--run", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--work", type=Path, default=Path("build/bench/two"))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="exact", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    work, volume = options.work, options.work / f"ct{options.slices}.npz"
    if options.measure:
        measure(work / "models", volume, options.mode, options.precision)
        return
    work.mkdir(parents=True, exist_ok=True)
    networks = published()
    folders = install_both(networks, work)
    if not volume.is_file():
        write_ct(volume, list(drawn_hu(networks).values()), options.slices)
    theirs = [run_peer(options.peer, folder, volume) for folder in folders] if options.peer else []
    for network, done in zip(networks, theirs, strict=False):
        took = f"{done.seconds:.1f} s, {done.processor_s:.0f} s of processor time, {done.peak_rss_mb:.0f} MB"
        print(f"nnU-Net v2, {network.name}: {took}; {done.last_json()}", flush=True)
    for name in options.run:
        words = ["-m", "benchmarks.networks.two_published", "--measure", *MODES[name]]
        where = ["--work", str(work), "--slices", str(options.slices)]
        ours = run_checked([sys.executable, *words, *where], work)
        took = f"{ours.seconds:.1f} s, {ours.processor_s:.0f} s of processor time, {ours.peak_rss_mb:.0f} MB"
        print(f"Osteon, {name}: {took}; {ours.last_json()}")
        print(f"    {ours.output.strip().splitlines()[-2]}")
        if theirs:
            whole, inside = sum(one.seconds for one in theirs), sum(map(working, theirs))
            spent = sum(one.processor_s for one in theirs) / ours.processor_s
            faster = f"{whole / ours.seconds:.1f} times faster, by processor time {spent:.1f}"
            print(f"    {faster}, without start and loading {inside / working(ours):.1f}", flush=True)


if __name__ == "__main__":
    main()
