"""Studies in the inbox: complete, queued, kept, removed."""
