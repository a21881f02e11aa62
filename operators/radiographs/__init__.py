"""Radiographs as arrays: the canvas that networks read, detections in a map, and the answer for an image."""
