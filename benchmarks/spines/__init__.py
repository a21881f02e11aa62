"""Accuracy of a package whose bones lie in a row: levels, outlines, heights."""
