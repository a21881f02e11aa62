"""Bones of simple solids: their shapes, rows and levels."""
