"""The accuracy panel: what `make accuracy` runs."""
