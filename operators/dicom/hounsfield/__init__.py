"""Decides whether and how stored values become Hounsfield units."""
