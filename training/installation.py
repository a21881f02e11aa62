"""Trains a network, installs its weights into a package, and writes the training report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from training.export import export, weights_file
from training.loop.checkpoints import read
from training.loop.report import carry_history, report_file, write_report
from training.loop.runs import TrainingRun
from training.loop.trainer import train
from training.progress import Tell, silent


@dataclass(frozen=True)
class Installed:
    """Checksum of the installed weights, and path of their report."""

    sha256: str
    report: Path


def train_and_install(run: TrainingRun, package_folder: Path, tell: Tell = silent) -> Installed:
    """Trains a network and installs its weights.

    Raises ModelError or UsageError before the first step if the package cannot take the network.
    """
    weights = weights_file(package_folder, run.network.name)
    carry_history(run)
    checkpoint = train(run, tell)
    sha256 = export(checkpoint, package_folder, run.network.name)
    write_report(run, weights, sha256, read(checkpoint, torch.device("cpu"))["progress"])
    return Installed(sha256, report_file(weights))
