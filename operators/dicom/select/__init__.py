"""Chooses the series that are segmented and their order, and says why the others are not."""
