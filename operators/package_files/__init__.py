"""Reads and checks package.toml."""
