"""Radiographs: their files, packages, studies and results."""
