"""From the probability of contact surface to fragments."""
