"""Reads published nnU-Net models, of version 1 and of version 2."""
