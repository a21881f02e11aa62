"""Reads the headers of a folder into image series on regular grids."""
