"""The panel's cases: scans with their ground truth, and how each is changed."""
