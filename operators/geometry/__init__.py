"""Grids, volumes and label maps in patient space."""
