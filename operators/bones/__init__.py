"""Pure functions on arrays that turn class probabilities into bones."""
