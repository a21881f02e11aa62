"""`osteon serve`: the node's processes and its HTTP port."""
