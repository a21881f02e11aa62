"""The training loop of radiographs: networks, loss, schedule, and the trainer that goes through its phases."""
