"""The attributes that results copy from their source, and their own provenance."""
