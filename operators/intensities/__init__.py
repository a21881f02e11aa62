"""Intensities of a CT: checks that they are Hounsfield units, and normalises them for networks."""
