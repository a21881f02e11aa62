"""The header of one file, and the image planes that it describes."""
