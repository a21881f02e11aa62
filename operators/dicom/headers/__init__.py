"""Headers of files, and the image planes that they describe."""
