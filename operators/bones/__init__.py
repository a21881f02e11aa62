"""From class probabilities to bones: pure functions on arrays."""
