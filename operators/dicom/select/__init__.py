"""Which series are segmented, in which order, and why the others are not."""
