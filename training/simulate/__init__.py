"""Simulates patches and scans of subjects."""
