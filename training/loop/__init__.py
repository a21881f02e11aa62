"""The training loop: networks, losses, checkpoints, validation."""
