"""What a model package says, as values."""
