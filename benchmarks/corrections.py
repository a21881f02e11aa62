"""Measures what a network learns from corrections: a bone whose head it was taught to leave out.

    python -m benchmarks.corrections --work FOLDER --structure NAME [--first 16] [--corrected 29] [--folds 5]

Made-up CTs of 4 mm show a shaft with a neck and a head in a socket. `osteon train --new` learns from labels
that end at the neck; `osteon corrections add` and `osteon train --from-corrections` then get other CTs with
the whole bone, as somebody would correct them. The table has the networks before and after on the cases that
each fold holds out: Dice of the bone, and Dice and recall beyond the plane of the cut. Run again with the
same folder, it resumes.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.own_data import osteon
from operators.evaluation.surface_distance import dice
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from tests.support.training.synthetic_datasets import write_image, write_mask
from training.command_line import run
from training.datasets.layout import sha256_of
from training.labelled_ct.corrections import read_record
from training.labelled_ct.package.package_tables import built
from training.labelled_ct.refinement import new_tables
from training.labelled_ct.scoring import SCORES_FILE, anatomy_in

NAME = "corrected"
SHAPE, SPACING_MM = (48, 44, 60), 4.0
# Cortical bone and marrow, muscle, fat, air
CORTEX_HU, MARROW_HU, MUSCLE_HU, FAT_HU, AIR_HU = 900.0, 250.0, 50.0, -100.0, -1000.0
CORTEX_MM, JOINT_MM, SOCKET_MM = 4.0, 4.0, 9.0
# The head ends at a plane across the neck, so much of its radius from its centre
CUT = 0.6
STEPS, RATE = 250, 0.005
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Body:
    """A CT, the bone's whole label map and the half-space (I, J, K) of its head."""

    ct: CtVolume
    whole: LabelMap
    head: NDArray[np.bool_]

    @property
    def headless(self) -> LabelMap:
        """The bone without its head."""
        return LabelMap(np.where(self.head, 0, self.whole.labels).astype(np.uint8), self.whole.grid)


def draw_body(seed: int) -> Body:
    """Draws a body of its own size, angles and noise."""
    rng = np.random.default_rng(seed)
    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = -(np.array(SHAPE) - 1) * SPACING_MM / 2
    points = np.asarray(np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING_MM + affine[:3, 3], np.float64)
    radius, angle = rng.uniform(21, 27), np.radians(rng.uniform(115, 140))
    turn, top = np.radians(rng.uniform(-10, 25)), rng.normal((14, 4, 38), 6)
    up = np.array([np.sin(lean := np.radians(rng.uniform(-6, 10))), 0.0, np.cos(lean)])
    aside = np.array([-np.cos(turn), np.sin(turn), 0.0])
    axis = np.sin(angle) * aside - np.cos(angle) * up
    centre = top + rng.uniform(40, 52) * axis
    shaft = capsule(points, top - 300 * up, top, rng.uniform(13, 17))
    inside = np.minimum.reduce([shaft, capsule(points, top, centre, 14.0), ball(points, centre, radius)])
    toward = (points - centre) @ (axis + np.array([0.0, 0.0, 0.6]))
    shell = np.abs(ball(points, centre, radius) - JOINT_MM - SOCKET_MM / 2) - SOCKET_MM / 2
    socket = np.maximum(shell, -toward)
    skin = np.linalg.norm(points[..., :2] / (88 * rng.uniform(0.9, 1.1), 78.0), axis=-1)
    hu = np.select([skin < 0.85, skin < 1], [MUSCLE_HU, FAT_HU], AIR_HU)
    for surface_mm in (socket, inside):
        cover = np.clip(0.5 - surface_mm / SPACING_MM, 0, 1)
        own = MARROW_HU + (CORTEX_HU - MARROW_HU) * np.exp(np.minimum(surface_mm, 0) / CORTEX_MM)
        hu = hu + cover * (own * rng.uniform(0.8, 1.2) - hu)
    hu += rng.normal(0, 20, SHAPE)
    grid = Grid(SHAPE, affine)
    head: NDArray[np.bool_] = ((points - centre) @ axis > -CUT * radius) & (ball(points, centre, radius) < 8)
    return Body(
        CtVolume(np.clip(np.rint(hu), -1024, 3000).astype(np.int16), grid),
        LabelMap((inside < 0).astype(np.uint8), grid),
        head,
    )


def capsule(points: Vector, low: Vector, high: Vector, radius_mm: float) -> Vector:
    """Returns the distance of points in mm to the surface of a rounded cylinder, negative inside."""
    along = np.clip((points - low) @ (high - low) / ((high - low) @ (high - low)), 0, 1)
    return np.asarray(np.linalg.norm(points - low - along[..., None] * (high - low), axis=-1) - radius_mm)


def ball(points: Vector, centre: Vector, radius_mm: float) -> Vector:
    """Returns the distance of points in mm to the surface of a ball, negative inside."""
    return np.asarray(np.linalg.norm(points - centre, axis=-1) - radius_mm)


def write_cases(folder: Path, seeds: Sequence[int], *, headless: bool) -> Path:
    """Writes a CT and a mask for each seed, once."""
    for seed in seeds:
        body, place = draw_body(seed), folder / f"case{seed:03d}"
        if not (place / "seg.nii.gz").is_file():
            write_image(body.ct, place / "ct.nii.gz")
            write_mask(body.headless if headless else body.whole, place / "seg.nii.gz")
    return folder


def make_small(plan: Path, steps: int) -> None:
    """Changes the plan to networks that a CPU trains in a minute: voxels of the CTs and twice theirs."""
    coarse, fine = plan.read_text(encoding="utf-8").split("[networks.fine]")
    parts = []
    for part, mm, patch in ((coarse, 2 * SPACING_MM, [24, 24, 32]), (fine, SPACING_MM, [32, 32, 40])):
        size = {"spacing_mm": mm, "patch": patch, "filters": [16, 32, 64]}
        for key, value in {**size, "steps": steps, "learning_rate": RATE, "every": steps // 5}.items():
            part = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", part)
        parts.append(part)
    plan.write_text("[networks.fine]".join(parts), encoding="utf-8")


@dataclass(frozen=True)
class Score:
    """The Dice of a bone in one case, and Dice and recall of its head."""

    bone: float
    head: float
    recall: float


def score(body: Body, package: CoarseToFinePackage, networks: Networks) -> Score:
    """Returns the scores of one case, 0 where nothing is found."""
    true, found = body.whole.labels > 0, np.zeros(SHAPE, bool)
    for bone in anatomy_in(body.ct, package, networks).bones:
        found[bone.box.slices] |= bone.inside
    head, there = found & body.head, true & body.head
    recall = float((head & there).sum() / there.sum())
    return Score(dice(true, found) or 0.0, dice(there, head) or 0.0, recall)


def fold_cases(run: Path) -> dict[int, list[str]]:
    """Returns the cases that each fold holds out."""
    rows = list(csv.DictReader((run / "folds.csv").read_text(encoding="utf-8").splitlines()))
    numbers = sorted({int(row["fold"]) for row in rows})
    return {number: [row["case"] for row in rows if int(row["fold"]) == number] for number in numbers}


def report(before: Path, run: Path, models: Path, seeds: Sequence[int]) -> None:
    """Prints the table. Corrections are numbered in the order of their folders, from 1."""
    print("| fold | cases | bone before | after | head before | after | head's recall before | after |")
    print("| --- " * 8 + "|")
    everything: tuple[list[Score], list[Score]] = ([], [])
    for number, names in fold_cases(run).items():
        bodies = [draw_body(seeds[int(name.removeprefix("c")) - 1]) for name in names]
        fold = run / f"fold-{number}"
        sha256 = {name: sha256_of(fold / f"{name}.safetensors") for name in ("coarse", "fine")}
        new = built(new_tables(before, sha256), fold, models)
        old = read_coarse_to_fine_package(before / PACKAGE_FILE)
        pairs = [[score(body, package, Networks(Device())) for body in bodies] for package in (old, new)]
        for kept, scores in zip(everything, pairs, strict=True):
            kept += scores
        print(row(str(number), *pairs), flush=True)
    print(row("all", *everything))


def row(name: str, old: Sequence[Score], new: Sequence[Score]) -> str:
    """Returns a row of the table: means over cases."""
    means = [
        f"{np.mean([getattr(one, what) for one in scores]):.3f}"
        for what in ("bone", "head", "recall")
        for scores in (old, new)
    ]
    return f"| {' | '.join([name, str(len(old)), *means])} |"


def main(
    *, work: Path, structure: str, first: int = 16, corrected: int = 29, folds: int = 5, steps: int = STEPS
) -> None:
    """Runs the commands, then measures both versions.

    `structure` is one of structures.toml that has sides; `first` are the cases without the head, `corrected`
    those with it; `steps` are those of each network.
    """
    models = work / "models"
    seeds = [1000 + number for number in range(corrected)]
    places = ("--models", models, "--runs", work / "runs")
    table = work / "labels.toml"
    source = write_cases(work / "first", range(first), headless=True)
    table.write_text(f'[labels.{NAME}]\nstructure = "{structure}"\nside = "left"\nvalue = 1\n')
    if not (work / "dataset").is_dir():
        osteon("data", "import", source, "--to", work / "dataset", "--labels", table)
    if not (work / "before").is_dir():
        train = ("train", "--data", work / "dataset", "--new", NAME, "--folds", 2, *places)
        if not (work / "runs" / NAME / "training.toml").is_file():
            osteon(*train, "--plan-only")
            make_small(work / "runs" / NAME / "training.toml", steps)
        if not (models / NAME).is_dir():
            osteon(*train)
        shutil.copytree(models / NAME, work / "before")
    corrections = ("--corrections", work / "corrections")
    if not (work / "corrections").is_dir():
        fixed = write_cases(work / "corrected", seeds, headless=False)
        osteon("corrections", "add", fixed, "--package", NAME, "--models", models, *corrections)
    filed = len(read_record(work / "corrections" / NAME))
    trained = work / "runs" / f"{NAME}-corrections-{filed}"
    # The networks before are measured last
    if not (trained / f"fold-{folds}" / "before" / SCORES_FILE).is_file():
        osteon("train", NAME, "--from-corrections", "--folds", folds, *places, *corrections)
    report(work / "before", trained, models, seeds)


if __name__ == "__main__":
    run(main, __doc__)
