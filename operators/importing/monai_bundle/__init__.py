"""Reads published MONAI bundles."""
