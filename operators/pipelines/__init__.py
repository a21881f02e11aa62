"""The image path of each kind of package, as plain calls."""
