"""The HTML report: one file for people, which needs no network."""
