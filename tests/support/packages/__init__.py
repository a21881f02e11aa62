"""Packages and published models with synthetic weights."""
