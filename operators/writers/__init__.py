"""MONAI operators that write results."""
