"""Published networks beside their originals: speed, memory and agreement of labels."""
