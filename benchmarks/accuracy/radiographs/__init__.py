"""Accuracy of the shipped radiograph package: rows by image, the page, its plots, the card's metrics."""
