"""Data sets and recipes that are small enough to train on."""
