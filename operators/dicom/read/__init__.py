"""From the headers of a folder to image series on regular grids."""
