"""Intensities of a CT: whether they are Hounsfield units, how networks read them."""
