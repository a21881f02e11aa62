"""Connections and associations that this node opens, with limits on time."""
