"""Crashes, interleavings, stress and fuzzing."""
