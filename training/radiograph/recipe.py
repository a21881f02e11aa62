"""What is trained, in which order, with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from training.radiograph.losses import LossWeights
from training.radiograph.sampling import CANVAS, Draws


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
class Recipe:
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

    def last_from(self, step: int) -> Recipe:
        """The recipe with its last phase beginning at a step."""
        return replace(self, begun_at=step)

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase of a step, and the number of its finished steps."""
        if self.begun_at is not None and step >= self.begun_at:
            return self.phases[-1], step - self.begun_at
        for phase in self.phases[:-1]:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        return self.phases[-1], step


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
RECIPE = Recipe((SIMULATED_FRACTURES, FRACTURES))
RECIPES = {"outlines": RECIPE, "resnet18": Recipe((CLASSES,), None, SMALL_CANVAS)}
