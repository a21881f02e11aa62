"""Measurements of segments, and what may be wrong with a result."""
