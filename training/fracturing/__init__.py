"""Simulated fractures of one bone, and what in a bone looks like one: surfaces, patterns, looks, motions."""

from training.fracturing.bone import BrokenModel, contact_target
from training.fracturing.breaking import fracture
from training.fracturing.foreign import with_foreign_bodies
from training.fracturing.lookalikes import with_lookalikes
from training.fracturing.neighbours import with_neighbours
from training.fracturing.rules import FractureRules
from training.fracturing.texture import draw_texture, with_patchy_density

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
