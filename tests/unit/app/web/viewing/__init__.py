"""Tests of what the viewer shows."""
