"""Connections and associations that this node opens, with time limits."""
