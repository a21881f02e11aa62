"""`osteon evaluate`: predictions against ground truth."""
