"""Turns the probability of contact surfaces into fragments."""
