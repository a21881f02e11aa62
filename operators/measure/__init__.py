"""Measures segments, and flags what may be wrong with a result."""
