"""Calibration of a trained package's decisions and probabilities."""
