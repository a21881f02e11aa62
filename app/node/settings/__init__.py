"""What a site sets of its node, checked when it is read."""
