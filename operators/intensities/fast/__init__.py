"""Replaces scipy's search for peaks."""
