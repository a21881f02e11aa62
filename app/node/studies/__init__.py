"""Studies in the inbox: queued when complete, retained, removed."""
