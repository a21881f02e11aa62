"""Radiographs as arrays: the canvas that networks read, fractures of a map, and the answer to an image."""
