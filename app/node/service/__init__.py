"""`osteon serve`: its processes, and its HTTP port."""
