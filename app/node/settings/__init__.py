"""The settings of a node, checked when they are read."""
