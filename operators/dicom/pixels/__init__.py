"""Decodes stored pixel data."""
