"""One training: its inputs, its output paths, and the facts of a session that go into its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.device import device_name, stated_watts
from training.recipe import NetworkRecipe, Recipe


@dataclass(frozen=True)
class TrainingRun:
    """Inputs and output folder of a training, which resumes; `began` and `software` go into the log."""

    recipe: Recipe
    network: NetworkRecipe
    data: Path
    folder: Path
    seed: int = 0
    workers: int = 1
    steps: int | None = None
    start_from: Path | None = None
    minutes: float | None = None
    began: str = ""
    software: str = ""
    shared_cache: Path | None = None

    @property
    def total(self) -> int:
        """Number of steps to train."""
        return self.steps or self.network.steps

    @property
    def checkpoint(self) -> Path:
        """Path of the last checkpoint."""
        return self.folder / f"{self.network.name}.checkpoint"

    @property
    def log(self) -> Path:
        """Path of the log, JSON lines: step, loss, seconds; a session's first line names its machine."""
        return self.folder / f"{self.network.name}.jsonl"

    @property
    def cache(self) -> Path:
        """Folder that caches loaded subjects between runs."""
        return self.shared_cache or self.folder / "cache"

    def planned_share(self, steps_done: int, seconds: float) -> float:
        """Returns the share of the training that is done, by steps or by its time limit if that is more."""
        by_steps = steps_done / self.total
        return by_steps if self.minutes is None else max(by_steps, seconds / (60 * self.minutes))


def facts(run: TrainingRun, step: int, device: torch.device, half: bool) -> dict[str, Any]:
    """Returns the facts of a session for the log."""
    threads = torch.get_num_threads() + run.workers
    return {
        "began": run.began,
        "software": run.software,
        "from_step": step,
        "seed": run.seed,
        "device": device_name(device),
        "threads": threads,
        "precision": "bf16" if half else "f32",
        "watts": stated_watts(device.type, threads),
        "batch": run.network.batch,
        "patch": run.network.patch,
    }
