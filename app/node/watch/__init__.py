"""Logs, audit trail, metrics, and the processes and loops of a node."""
