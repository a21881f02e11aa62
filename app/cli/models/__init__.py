"""`osteon models`: one file for each group of its commands."""
