"""Sends results to each destination, and notices to the site's own system."""
