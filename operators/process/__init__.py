"""What a run needs of its process: memory, imports, progress, prefetch, the installed files."""
