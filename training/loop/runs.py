"""One training: what it reads, where it writes, what its log says of where it ran."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.device import device_name, stated_watts
from training.recipe import NetworkRecipe, Recipe


@dataclass(frozen=True)
class TrainingRun:
    """Where a training reads and writes; the same command goes on where it stopped.

    `began` and `software` go into the log as they are.
    """

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

    @property
    def total(self) -> int:
        """Steps to be done."""
        return self.steps or self.network.steps

    @property
    def checkpoint(self) -> Path:
        """The last state of this network's training."""
        return self.folder / f"{self.network.name}.checkpoint"

    @property
    def log(self) -> Path:
        """One JSON object a line: step, loss, seconds; a session's first line says what it runs on."""
        return self.folder / f"{self.network.name}.jsonl"

    @property
    def cache(self) -> Path:
        """Where loaded subjects are kept between runs."""
        return self.folder / "cache"

    def planned_share(self, steps_done: int, seconds: float) -> float:
        """How much is over: by steps, or by the time that it may take if that is shorter."""
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
