"""Trains the radiograph network, or resumes its training.

    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] [--minutes M] [--last-step N]
    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] --finish STEPS

`--finish` works on a copy of the training's state, in RUNS/finished-STEP: its learning rate decays to 0
over that many steps. The training itself can be resumed. SIGTERM saves and stops.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from training.command_line import run
from training.radiograph.batches.sampler import source_of
from training.radiograph.datasets.cleaning import clean
from training.radiograph.loop.phased_trainer import METRICS, STATE
from training.radiograph.loop.prefetching import stopping_at_sigterm
from training.radiograph.loop.schedule import Limits
from training.radiograph.radiograph_recipe import RadiographRecipeFile, RecipeName
from training.radiograph.radiograph_run import UNLIMITED_STEPS, RadiographRun, Training


def main(
    *,
    data: Path,
    runs: Path,
    recipe: RecipeName = "outlines",
    minutes: float = float("inf"),
    last_step: int = UNLIMITED_STEPS,
    finish: int | None = None,
    threads: int = 1,
) -> None:
    """Trains on the radiographs of a folder; checkpoints and the log are in `runs`.

    `finish` is a number of steps in which the learning rate decays to 0.
    """
    torch.set_num_threads(threads)
    file = RadiographRecipeFile(subjects="radiograph", recipe=recipe, steps=last_step)
    run = RadiographRun(file, data, runs, runs, device=torch.device("cpu"))
    training = Training(run, clean(run.data))
    train, dev = (training.dataset.images(split) for split in ("train", "dev"))
    # Trainings that were begun before see the same points
    rng = np.random.default_rng(run.seed)
    training.sources |= {image.name: source_of(image, rng) for image in train}
    folder = run.folder if finish is None else copy_state(run.folder)
    trainer = training.trainer(folder, train, dev)
    last = last_step if finish is None else started_at(folder) + finish
    with stopping_at_sigterm() as should_stop:
        seconds = trainer.seconds + 60 * minutes
        trainer.run(Limits(last, seconds, finish or 0, should_stop))
    if trainer.step >= last:
        trainer.write_metrics()


def copy_state(runs: Path) -> Path:
    """Returns the folder of a training to be finished, from the present state, or an interrupted one."""
    begun = sorted(runs.glob("finished-*"), key=started_at)
    if begun and not (begun[-1] / METRICS).exists():
        return begun[-1]
    step = int(torch.load(runs / STATE, map_location="cpu", weights_only=True)["step"])
    folder = runs / f"finished-{step}"
    folder.mkdir()
    shutil.copyfile(runs / STATE, folder / STATE)
    return folder


def started_at(folder: Path) -> int:
    """Returns the step at which the decay of a training in a folder began."""
    return int(folder.name.rpartition("-")[2])


if __name__ == "__main__":
    run(main, __doc__)
