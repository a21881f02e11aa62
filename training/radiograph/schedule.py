"""What is trained, in which order, with which learning rates, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from training.radiograph.batches.sampler import CANVAS, Draws
from training.radiograph.multitask_loss import LossWeights


@dataclass(frozen=True)
class NetworkSize:
    """Channels at 1/2, 1/4, 1/8 ... of the image's resolution, and residual blocks from 1/4 on."""

    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    blocks: tuple[int, ...] = (2, 3, 3, 2)


@dataclass(frozen=True)
class Phase:
    """So many steps at one learning rate; their batches are drawn in turn."""

    name: str
    steps: int
    rate: float
    draws: tuple[Draws, ...]
    weights: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class Recipe:
    """Phases one after the other; the last goes on for as long as a training is let.

    Without a `size` the network is ResNet-18, to compare with. Whole images lie on a `canvas` of rows and
    columns. Learning rates rise over `warmup_steps` at the start of a phase. `average_decay` is the share
    that the averaged weights keep at each step. `begun_at` is the step at which the last phase began before
    the others were over, as in a short training.
    """

    phases: tuple[Phase, ...]
    size: NetworkSize | None = field(default_factory=NetworkSize)
    canvas: tuple[int, int] = CANVAS
    warmup_steps: int = 300
    weight_decay: float = 0.03
    average_decay: float = 0.999
    seed: int = 0
    begun_at: int | None = None

    def last_from(self, step: int) -> Recipe:
        """The recipe with its last phase from a step on."""
        return replace(self, begun_at=step)

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase of a step, and how many steps of it are over."""
        if self.begun_at is not None and step >= self.begun_at:
            return self.phases[-1], step - self.begun_at
        for phase in self.phases[:-1]:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        return self.phases[-1], step

    def draws_at(self, step: int) -> Draws:
        """What the batch of a step holds."""
        phase, done = self.at(step)
        return phase.draws[done % len(phase.draws)]


@dataclass(frozen=True)
class Limits:
    """When a training stops, and how it is divided: by steps, or by seconds where those run out first.

    It stops after `last_step`, after so many `seconds` of training in all, or when told. The learning rate
    falls to 0 over the last `decay_steps`, or over the last share `fall` of the whole. All phases but the
    last end after the share `begin` of the whole, if they are not over before. The learning rate of a phase
    that is so short rises over the share `rise` of the whole at most.
    """

    last_step: int
    seconds: float = float("inf")
    decay_steps: int = 0
    told: Callable[[], bool] = lambda: False
    fall: float = 0.0
    begin: float = 1.0
    rise: float = 0.0

    def over(self, step: int, seconds: float) -> float:
        """The share of the whole that is over."""
        return max(step / self.last_step, seconds / self.seconds)

    def reached(self, step: int, seconds: float) -> bool:
        """Whether a training that has come so far stops."""
        return self.over(step, seconds) >= 1 or self.told()

    def rate(self, recipe: Recipe, step: int, seconds: float) -> float:
        """The learning rate of a step."""
        phase, done = recipe.at(step)
        over = self.over(step, seconds)
        risen = max((done + 1) / recipe.warmup_steps, self.risen(recipe, phase, over))
        by_steps = (self.last_step - step) / self.decay_steps if self.decay_steps else 1.0
        by_share = (1 - over) / self.fall if self.fall else 1.0
        return phase.rate * min(1.0, risen) * max(0.0, min(1.0, by_steps, by_share))

    def risen(self, recipe: Recipe, phase: Phase, over: float) -> float:
        """How far the learning rate has risen by the share of the whole, in a phase that begins by it."""
        begun = recipe.begun_at is not None
        ends_first = phase is not recipe.phases[-1] or len(recipe.phases) == 1
        if not self.rise or not (begun or ends_first):
            return 0.0
        return max(over - (self.begin if begun else 0), 0.0) / self.rise


BREAKS = Phase(
    "breaks",
    800,
    2e-3,
    (Draws(fractures=0, breaks=20, others=12, size=(192, 192), hidden=(0.0, 0.2)),),
    LossWeights(fracture=0.0, drawn_break=1.0, image=0.5, attributes=0.2, texture=0.5),
)
FRACTURES = Phase(
    "fractures",
    1_000_000,
    1.5e-3,
    (
        *[Draws(fractures=16, breaks=6, others=14, size=(160, 160))] * 3,
        Draws(fractures=4, breaks=1, others=5, size=CANVAS, whole=True, hidden=(0.0, 0.05)),
    ),
)
SMALL_CANVAS = (224, 192)
CLASSES = Phase(
    "classes",
    1_000_000,
    1e-3,
    (Draws(fractures=8, breaks=0, others=8, size=SMALL_CANVAS, whole=True),),
    LossWeights(fracture=0.0, drawn_break=0.0, image=1.0, attributes=0.0, texture=0.0),
)
RECIPE = Recipe((BREAKS, FRACTURES))
RECIPES = {"outlines": RECIPE, "resnet18": Recipe((CLASSES,), None, SMALL_CANVAS)}
