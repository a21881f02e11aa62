"""A page of text, tables and pictures: laid out once, and drawn as pixels or as a PDF."""
