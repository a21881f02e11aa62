"""What a run needs of its process: memory, imports, a thread that works ahead, the installed files."""
