"""Metrics of a label map against a ground truth."""
