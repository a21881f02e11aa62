"""What is trained, in which order, with which learning rates, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from training.radiograph.batches.sampler import CANVAS, Draws
from training.radiograph.loop.multitask_loss import LossWeights


@dataclass(frozen=True)
class NetworkSize:
    """Channels at 1/2, 1/4, 1/8 ... of the image's resolution, and residual blocks from 1/4 on."""

    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    blocks: tuple[int, ...] = (2, 3, 3, 2)


@dataclass(frozen=True)
class Phase:
    """A number of steps at one learning rate; they use the kinds of batches in turn."""

    name: str
    steps: int
    rate: float
    draws: tuple[Draws, ...]
    weights: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class RadiographRecipe:
    """Phases one after the other; the last continues until the training stops.

    Without a `size` the network is the ResNet-18 baseline. Whole images are placed on a `canvas` of rows and
    columns. Learning rates warm up over `warmup_steps` at the start of a phase. `average_decay` is the decay
    of the averaged weights a step. `begun_at` is the step at which the last phase began early, before the
    others were finished, as in a short training.
    """

    phases: tuple[Phase, ...]
    size: NetworkSize | None = field(default_factory=NetworkSize)
    canvas: tuple[int, int] = CANVAS
    warmup_steps: int = 300
    weight_decay: float = 0.03
    average_decay: float = 0.999
    seed: int = 0
    begun_at: int | None = None

    def last_from(self, step: int) -> RadiographRecipe:
        """Returns the recipe with its last phase beginning at a step."""
        return replace(self, begun_at=step)

    def at(self, step: int) -> tuple[Phase, int]:
        """Returns the phase of a step, and the number of its finished steps."""
        if self.begun_at is not None and step >= self.begun_at:
            return self.phases[-1], step - self.begun_at
        for phase in self.phases[:-1]:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        return self.phases[-1], step

    def draws_at(self, step: int) -> Draws:
        """Returns the composition of the batch of a step."""
        phase, done = self.at(step)
        return phase.draws[done % len(phase.draws)]


@dataclass(frozen=True)
class Limits:
    """The limits and schedule of a training: in steps, or in seconds if those end first.

    It stops after `last_step`, after that many `seconds` of training in all, or if `should_stop` returns
    True. The learning rate decays to 0 over the last `decay_steps`, or over the last share `fall` of the
    training. All phases but the last end at the share `begin` of the training at the latest. A phase that
    ends early warms up over at most the share `rise` of the training.
    """

    last_step: int
    seconds: float = float("inf")
    decay_steps: int = 0
    should_stop: Callable[[], bool] = lambda: False
    fall: float = 0.0
    begin: float = 1.0
    rise: float = 0.0

    def over(self, step: int, seconds: float) -> float:
        """Returns the finished share of the training."""
        return max(step / self.last_step, seconds / self.seconds)

    def reached(self, step: int, seconds: float) -> bool:
        """Returns whether a training stops after that many steps and seconds."""
        return self.over(step, seconds) >= 1 or self.should_stop()

    def rate(self, recipe: RadiographRecipe, step: int, seconds: float) -> float:
        """Returns the learning rate of a step."""
        phase, done = recipe.at(step)
        over = self.over(step, seconds)
        risen = max((done + 1) / recipe.warmup_steps, self.risen(recipe, phase, over))
        by_steps = (self.last_step - step) / self.decay_steps if self.decay_steps else 1.0
        by_share = (1 - over) / self.fall if self.fall else 1.0
        return phase.rate * min(1.0, risen) * max(0.0, min(1.0, by_steps, by_share))

    def risen(self, recipe: RadiographRecipe, phase: Phase, over: float) -> float:
        """Returns the warmup factor by the share of the training, in a phase that began early."""
        begun = recipe.begun_at is not None
        ends_first = phase is not recipe.phases[-1] or len(recipe.phases) == 1
        if not self.rise or not (begun or ends_first):
            return 0.0
        return max(over - (self.begin if begun else 0), 0.0) / self.rise


SIMULATED_FRACTURES = Phase(
    "breaks",
    800,
    2e-3,
    (Draws(fractures=0, simulated=20, others=12, size=(192, 192), hidden=(0.0, 0.2)),),
    LossWeights(fracture=0.0, simulated=1.0, image=0.5, attributes=0.2, texture=0.5),
)
FRACTURES = Phase(
    "fractures",
    1_000_000,
    1.5e-3,
    (
        *[Draws(fractures=16, simulated=6, others=14, size=(160, 160))] * 3,
        Draws(fractures=4, simulated=1, others=5, size=CANVAS, whole=True, hidden=(0.0, 0.05)),
    ),
)
SMALL_CANVAS = (224, 192)
CLASSES = Phase(
    "classes",
    1_000_000,
    1e-3,
    (Draws(fractures=8, simulated=0, others=8, size=SMALL_CANVAS, whole=True),),
    LossWeights(fracture=0.0, simulated=0.0, image=1.0, attributes=0.0, texture=0.0),
)


def augmented(recipe: RadiographRecipe, strength: float) -> RadiographRecipe:
    """Returns a recipe all of whose views are augmented by that strength."""
    phases = (
        replace(phase, draws=tuple(replace(draws, augmentation=strength) for draws in phase.draws))
        for phase in recipe.phases
    )
    return replace(recipe, phases=tuple(phases))


# Full strength slows training more than ten times (docs/radiograph-training.md)
RECIPE = augmented(RadiographRecipe((SIMULATED_FRACTURES, FRACTURES)), 0.3)
# The first is the one that ships; the others show what a part of it brings
RECIPES = {
    "outlines": RECIPE,
    "outlines_without_pretext": replace(RECIPE, phases=RECIPE.phases[1:]),
    "outlines_without_augmentation": augmented(RECIPE, 0.0),
    "outlines_with_strong_augmentation": augmented(RECIPE, 1.0),
    "resnet18": RadiographRecipe((CLASSES,), None, SMALL_CANVAS),
}
