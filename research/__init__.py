"""Experiments behind design decisions; no part of the product imports them."""
