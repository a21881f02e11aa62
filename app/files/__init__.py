"""Label maps and surfaces as files for people and other programs."""
