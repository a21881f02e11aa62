"""What a run found: segments, their names, colours and summary."""
