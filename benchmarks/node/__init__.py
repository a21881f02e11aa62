"""The node under load: receiving, whole studies, prefetching, hostile peers."""
