"""Times the way from a folder of CTs with STL surfaces to an installed package, on made-up cases.

    python -m benchmarks.own_data --work FOLDER [--cases 40] [--spacing 3] [--steps 400] [--ensemble]

Each case is a procedural body with its own shape, texture and noise, every second one with fractures, with a
surface for each bone or fragment, as a site would bring them. Then `osteon data import` and `osteon train`
run as a user calls them, with the plan as it is. Run again with the same folder, it resumes: cases, import,
and training. With --steps 400 on one thread: 26 minutes, mean Dice 0.75 (docs/datasets.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import trimesh

from benchmarks.process_usage import OSTEON
from operators.geometry.meshes import mesh_of
from operators.geometry.volume import Box
from operators.image_files.label_files import RAS_TO_LPS
from training.command_line import run
from training.phantoms import DEMO, PhantomCT

NAME = "own_data"
# A surface encloses its voxels, also those at the edge of the image
AROUND_MM = 6.0


def main(
    *,
    work: Path,
    cases: int = 40,
    spacing: float = 3.0,
    steps: int = 0,
    folds: int = 5,
    ensemble: bool = False,
) -> None:
    """Makes the cases, runs both commands and prints their seconds.

    `steps` are those of each network, instead of the plan's; `ensemble` installs the networks of all folds.
    """
    seconds = {"cases": timed(lambda: make_cases(work / "source", cases, spacing))}
    if not (work / "dataset").is_dir():
        seconds["import"] = osteon("data", "import", work / "source", "--to", work / "dataset")
    train = (
        "train", "--data", work / "dataset", "--new", NAME, "--folds", folds,
        "--models", work / "models", "--runs", work / "runs",
        *(("--steps", steps) if steps else ()),
        *(("--ensemble",) if ensemble else ()),
    )  # fmt: skip
    seconds["train"] = osteon(*train)
    for name, took in seconds.items():
        print(f"{name}: {took:.0f} s")


def make_cases(folder: Path, count: int, spacing_mm: float) -> None:
    """Writes the cases that are not there yet."""
    for seed in range(count):
        target = folder / f"case{seed:02d}"
        if not target.is_dir():
            part = folder / f".case{seed:02d}"
            made = DEMO.ct(np.random.default_rng(seed), (spacing_mm,) * 3, None if seed % 2 else {})
            write_case(made, part)
            part.rename(target)
            print(f"case {seed + 1} of {count}", file=sys.stderr, flush=True)


def write_case(made: PhantomCT, folder: Path) -> None:
    """Writes a CT as NIfTI and a closed STL surface for each bone or fragment, LPS in mm."""
    folder.mkdir(parents=True, exist_ok=True)
    affine = RAS_TO_LPS @ made.ct.grid.ijk_to_lps
    nibabel.save(nibabel.Nifti1Image(made.ct.hu.astype(np.int16), affine), folder / "ct.nii.gz")
    for name, values in DEMO.bones.items():
        pieces = [value for value in values if (made.truth.labels == value).any()]
        for number, value in enumerate(pieces, start=1):
            mask = made.truth.labels == value
            box = Box.around(mask)
            assert box is not None
            box = box.grow_mm(AROUND_MM, made.truth.grid.spacing_mm, mask.shape)
            mesh = mesh_of(mask[box.slices], made.truth.grid.crop(box))
            surface = trimesh.Trimesh(mesh.vertices_lps, mesh.faces)
            surface.export(folder / (f"{name}_{number}.stl" if len(pieces) > 1 else f"{name}.stl"))


def osteon(*words: object) -> float:
    """Runs a command of Osteon; returns its seconds."""
    command = [*OSTEON, *map(str, words)]
    print(f"osteon {' '.join(map(str, words))}", flush=True)
    return timed(lambda: subprocess.run(command, check=True, env=os.environ))


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that `work` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    run(main, __doc__)
