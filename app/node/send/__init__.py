"""Results on their way to each destination, and storage commitment."""
