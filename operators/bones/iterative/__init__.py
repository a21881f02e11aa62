"""Outlines bones that lie in a row one after another, with a memory of those that are already outlined."""
