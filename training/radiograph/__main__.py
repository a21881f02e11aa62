"""Trains the radiograph network, or goes on training it.

    python -m training.radiograph --data DATA --runs RUNS [--minutes M] [--last-step N]
    python -m training.radiograph --data DATA --runs RUNS --finish STEPS

`--finish` works on a copy of the training's state, in RUNS/finished-STEP: its learning rate falls to 0
over so many steps. The training itself can go on from where it was.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.radiograph.dataset import Radiograph, read_dataset
from training.radiograph.evaluation import predict_all, quick_metrics
from training.radiograph.near_copies import usable_for_training
from training.radiograph.recipe import RECIPE
from training.radiograph.sampling import Sampler, source_of
from training.radiograph.trainer import Limits, Trainer


def main() -> None:
    """Reads the arguments and trains."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, required=True, help="folder with images.csv and fractures.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--last-step", type=int, default=10_000_000)
    parser.add_argument("--finish", type=int, metavar="STEPS", help="let the learning rate fall to 0")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = read_dataset(arguments.data)
    dev = [image for image in images if image.split == "dev"]
    rng = np.random.default_rng(RECIPE.seed)
    sampler = Sampler([source_of(image, rng) for image in usable_for_training(images)], RECIPE.seed)
    folder = arguments.runs if arguments.finish is None else copy_state(arguments.runs)
    trainer = Trainer(RECIPE, sampler, folder, lambda network: quick_metrics_of(network, dev))
    last = arguments.last_step if arguments.finish is None else started_at(folder) + arguments.finish
    trainer.run(Limits(last, 60 * arguments.minutes, arguments.finish or 0))


def quick_metrics_of(network: nn.Module, images: list[Radiograph]) -> dict[str, float]:
    """Metrics without mirror images."""
    return quick_metrics(predict_all(network, images, mirrored=False))


def copy_state(runs: Path) -> Path:
    """The folder of a training that is to be finished, begun from the present state if it is not there yet.

    One that was interrupted goes on.
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
    """The step from which a training is finished in a folder."""
    return int(folder.name.rpartition("-")[2])


if __name__ == "__main__":
    main()
