"""What a worker does with one study."""
