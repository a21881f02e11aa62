"""The pages, one file each: reads what the node knows, and renders it."""
