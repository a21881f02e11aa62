"""What the panel is run on: scans with their truth, and what is done to them."""
