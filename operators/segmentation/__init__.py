"""The result of a run: segments, their names, colours and summary."""
