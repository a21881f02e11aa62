"""Accuracy of the geometry of long bones on real shapes: axes and sides."""
