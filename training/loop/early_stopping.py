"""Early stopping by patience with the score of the simulated validation set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.recipe_file import ValidationRules


@dataclass(frozen=True)
class Progress:
    """Best score so far, its step, and the number of validations since then without a better one.

    `fell_at` is the step and `fell_from` the share of the training at which patience ended. From there the
    learning rate decays to its end, since most of the gain comes from that decay.
    """

    best: float = -1.0
    best_step: int = 0
    waited: int = 0
    fell_at: int | None = None
    fell_from: float = 0.0

    def read(self, score: float, step: int, done: float, rules: ValidationRules) -> Progress:
        """Returns the progress after one more validation, at a step and a share of the training."""
        if score > self.best:
            return replace(self, best=score, best_step=step, waited=0)
        waited = self.waited + 1
        if waited >= rules.patience and self.fell_at is None:
            return replace(self, waited=waited, fell_at=step, fell_from=done)
        return replace(self, waited=waited)

    def share_done(self, planned: float, step: int, fall_steps: float) -> float:
        """Returns the share of the training that is done; `planned` is that share without early stopping."""
        if self.fell_at is None:
            return planned
        fallen = min((step - self.fell_at) / fall_steps, 1.0)
        return max(planned, self.fell_from + (1 - self.fell_from) * fallen)
