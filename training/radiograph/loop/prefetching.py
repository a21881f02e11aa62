"""Batches drawn ahead by other processes, and how SIGTERM ends them and the training."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from training.radiograph.batches.sampler import Batch, Sampler
from training.radiograph.loop.schedule import RadiographRecipe


@dataclass(frozen=True)
class Steps(Dataset[Batch]):
    """The batches of a recipe by step."""

    sampler: Sampler
    recipe: RadiographRecipe

    def __getitem__(self, step: int) -> Batch:
        return self.sampler.batch(self.recipe.draws_at(step), step)

    def prefetched(self, step: int, workers: int) -> Iterator[Batch]:
        """Returns the batches from a step on, drawn by other processes."""
        # Its own generator, so that torch's global one, which dropout uses, is not advanced
        return iter(
            DataLoader(
                self,
                batch_size=None,
                sampler=itertools.count(step),
                num_workers=workers,
                generator=torch.Generator(),
                worker_init_fn=end_at_sigterm,
            )
        )


def end_at_sigterm(worker: int) -> None:  # noqa: ARG001 (called by torch)
    """Ends this process at SIGTERM, even if its parent handles the signal otherwise."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def stopping_at_sigterm() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether SIGTERM was received; outside the main thread it never is."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
