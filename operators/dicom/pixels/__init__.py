"""Stored pixel data, decoded."""
