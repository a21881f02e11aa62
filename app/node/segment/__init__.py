"""The segmentation of one study by a worker."""
