"""Calibrates the decisions and probabilities of a trained package."""
