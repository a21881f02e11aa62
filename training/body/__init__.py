"""What a simulated body holds: bones, soft tissue, and what lies beside it."""

from training.body.paint import paint
from training.body.sight import Sight, sight

__all__ = ["Sight", "paint", "sight"]
