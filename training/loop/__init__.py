"""The training loop: optimisation, losses, checkpoints, validation."""
