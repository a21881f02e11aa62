"""Preprocessing and postprocessing of nnU-Net's networks."""
