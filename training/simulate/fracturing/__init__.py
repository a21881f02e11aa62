"""Simulated fractures of one bone, and what in a bone looks like one: surfaces, patterns, looks, motions."""

from training.simulate.fracturing.bone import BrokenModel, contact_target
from training.simulate.fracturing.breaking import fracture
from training.simulate.fracturing.foreign import with_foreign_bodies
from training.simulate.fracturing.lookalikes import with_lookalikes
from training.simulate.fracturing.neighbours import with_neighbours
from training.simulate.fracturing.rules import FractureRules
from training.simulate.fracturing.texture import draw_texture, with_patchy_density

__all__ = [
    "BrokenModel",
    "FractureRules",
    "contact_target",
    "draw_texture",
    "fracture",
    "with_foreign_bodies",
    "with_lookalikes",
    "with_neighbours",
    "with_patchy_density",
]
