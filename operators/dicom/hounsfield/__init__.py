"""Whether and how stored values are Hounsfield units."""
