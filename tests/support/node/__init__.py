"""Nodes, their queues, studies and page, in this process or as processes."""
