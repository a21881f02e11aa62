"""Replaces pydicom's header parser for plain headers."""
