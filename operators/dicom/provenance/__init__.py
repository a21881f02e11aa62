"""Attributes that results copy from their source, and the provenance of results."""
