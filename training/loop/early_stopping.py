"""When a training has learned what it can: patience with the score of the simulated validation set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.recipe_file import ValidationRules


@dataclass(frozen=True)
class Progress:
    """The best score so far and its step; how many readings were no better since.

    `fell_at` is the step and `fell_from` the share of the training at which patience ended, from
    where the learning rate falls to its end: the fall is what gains most, so none is spared it.
    """

    best: float = -1.0
    best_step: int = 0
    waited: int = 0
    fell_at: int | None = None
    fell_from: float = 0.0

    def read(self, score: float, step: int, done: float, rules: ValidationRules) -> Progress:
        """After one more reading, at a step and a share of the training."""
        if score > self.best:
            return replace(self, best=score, best_step=step, waited=0)
        waited = self.waited + 1
        if waited >= rules.patience and self.fell_at is None:
            return replace(self, waited=waited, fell_at=step, fell_from=done)
        return replace(self, waited=waited)

    def share_done(self, planned: float, step: int, fall_steps: float) -> float:
        """How much of the training is over, where `planned` is the share without early stopping."""
        if self.fell_at is None:
            return planned
        fallen = min((step - self.fell_at) / fall_steps, 1.0)
        return max(planned, self.fell_from + (1 - self.fell_from) * fallen)
