"""Says what of a folder would be run, and what not, without running it."""
