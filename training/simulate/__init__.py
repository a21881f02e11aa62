"""Simulated patches and scans of subjects."""
