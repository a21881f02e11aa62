"""The values of a model package."""
