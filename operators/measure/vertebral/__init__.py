"""Measures bones with a body in front of an arch: heights, their loss, density, the curve of a row."""
