"""`osteon evaluate`: compares predictions with the ground truth."""
