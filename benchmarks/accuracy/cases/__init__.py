"""The panel's cases: scans with their ground truth, and the changes made to them."""
