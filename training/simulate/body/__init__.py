"""Paints a simulated body: bones, soft tissue and its contents, objects beside it."""

from training.simulate.body.paint import paint
from training.simulate.body.sight import Sight, sight

__all__ = ["Sight", "paint", "sight"]
