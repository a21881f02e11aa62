"""Trains the radiograph network, or resumes its training.

    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] [--minutes M] [--last-step N]
    python -m training.radiograph --data DATA --runs RUNS [--recipe NAME] --finish STEPS

`--finish` works on a copy of the training's state, in RUNS/finished-STEP: its learning rate decays to 0
over that many steps. The training itself can be resumed. SIGTERM saves and stops.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import torch
from torch import nn

from operators.dicom.elements.atomic_file import write_whole
from training.radiograph.dataset import Radiograph, read_dataset
from training.radiograph.evaluation import predict_all, quick_metrics
from training.radiograph.near_copies import usable_for_training
from training.radiograph.recipe import RECIPES, Recipe
from training.radiograph.sampling import Sampler, source_of
from training.radiograph.trainer import Limits, Metrics, Trainer


def main() -> None:
    """Reads the arguments and trains."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, required=True, help="folder with images.csv and fractures.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="outlines")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--last-step", type=int, default=10_000_000)
    parser.add_argument("--finish", type=int, metavar="STEPS", help="decay the learning rate to 0")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = arguments.runs if arguments.finish is None else copy_state(arguments.runs)
    trainer = trainer_of(RECIPES[arguments.recipe], read_dataset(arguments.data), folder)
    last = arguments.last_step if arguments.finish is None else started_at(folder) + arguments.finish
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    seconds = trainer.seconds + 60 * arguments.minutes
    trainer.run(Limits(last, seconds, arguments.finish or 0, stop.is_set))
    if trainer.step >= last:
        write_metrics(folder, trainer.measure(trainer.averaged()))


def trainer_of(recipe: Recipe, images: list[Radiograph], folder: Path) -> Trainer:
    """A training on the training images, evaluated on the development images."""
    dev = [image for image in images if image.split == "dev"]
    rng = np.random.default_rng(recipe.seed)
    sampler = Sampler([source_of(image, rng) for image in usable_for_training(images)], recipe.seed)

    def measure(network: nn.Module) -> Metrics:
        return quick_metrics(predict_all(network, dev, recipe.canvas, mirrored=False))

    return Trainer(recipe, sampler, folder, measure)


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Writes the metrics of a finished training."""
    content = json.dumps(metrics, indent=1).encode()
    write_whole(folder / "metrics.json", lambda file: file.write(content))


def copy_state(runs: Path) -> Path:
    """The folder of a training that is to be finished; it is created from the present state if needed.

    An interrupted one is resumed.
    """
    begun = sorted(runs.glob("finished-*"), key=started_at)
    if begun and not (begun[-1] / "metrics.json").exists():
        return begun[-1]
    step = int(torch.load(runs / "state.pt", map_location="cpu", weights_only=True)["step"])
    folder = runs / f"finished-{step}"
    folder.mkdir()
    shutil.copyfile(runs / "state.pt", folder / "state.pt")
    return folder


def started_at(folder: Path) -> int:
    """The step at which the decay of a training in a folder began."""
    return int(folder.name.rpartition("-")[2])


if __name__ == "__main__":
    main()
