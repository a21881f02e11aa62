"""Data elements of a file, read at a bounded cost (PS3.5, PS3.10)."""
