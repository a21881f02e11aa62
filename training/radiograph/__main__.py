"""Trains the radiograph network, or resumes its training.

    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] [--minutes M] [--last-step N]
    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] --finish STEPS

`--finish` works on a copy of the training's state, in RUNS/finished-STEP: its learning rate decays to 0
over that many steps. The training itself can be resumed. SIGTERM saves and stops.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch

from training.radiograph.batches.sampler import source_of
from training.radiograph.datasets.cleaning import clean
from training.radiograph.loop.phased_trainer import METRICS, STATE
from training.radiograph.loop.prefetching import stopping_at_sigterm
from training.radiograph.loop.schedule import RECIPES, Limits
from training.radiograph.radiograph_recipe import RadiographRecipeFile
from training.radiograph.radiograph_run import UNLIMITED_STEPS, RadiographRun, Training


def main() -> None:
    """Reads the arguments and trains."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, required=True, help="folder with radiographs, see LAYOUTS")
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="outlines")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--last-step", type=int, default=UNLIMITED_STEPS)
    parser.add_argument("--finish", type=int, metavar="STEPS", help="decay the learning rate to 0")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = RadiographRecipeFile(subjects="radiograph", recipe=arguments.recipe, steps=arguments.last_step)
    run = RadiographRun(recipe, arguments.data, arguments.runs, arguments.runs, device=torch.device("cpu"))
    training = Training(run, clean(run.data))
    train, dev = (training.dataset.images(split) for split in ("train", "dev"))
    # Trainings that were begun before see the same points
    rng = np.random.default_rng(run.seed)
    training.sources |= {image.name: source_of(image, rng) for image in train}
    folder = run.folder if arguments.finish is None else copy_state(run.folder)
    trainer = training.trainer(folder, train, dev)
    last = arguments.last_step if arguments.finish is None else started_at(folder) + arguments.finish
    with stopping_at_sigterm() as should_stop:
        seconds = trainer.seconds + 60 * arguments.minutes
        trainer.run(Limits(last, seconds, arguments.finish or 0, should_stop))
    if trainer.step >= last:
        trainer.write_metrics()


def copy_state(runs: Path) -> Path:
    """The folder of a training that is to be finished; it is created from the present state if needed.

    An interrupted one is resumed.
    """
    begun = sorted(runs.glob("finished-*"), key=started_at)
    if begun and not (begun[-1] / METRICS).exists():
        return begun[-1]
    step = int(torch.load(runs / STATE, map_location="cpu", weights_only=True)["step"])
    folder = runs / f"finished-{step}"
    folder.mkdir()
    shutil.copyfile(runs / STATE, folder / STATE)
    return folder


def started_at(folder: Path) -> int:
    """The step at which the decay of a training in a folder began."""
    return int(folder.name.rpartition("-")[2])


if __name__ == "__main__":
    main()
