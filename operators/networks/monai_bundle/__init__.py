"""MONAI bundles: steps before and after the network."""
