"""Experiments behind decisions; nothing of the product imports them."""
