"""Complete studies become durable jobs; what state each job is in."""
