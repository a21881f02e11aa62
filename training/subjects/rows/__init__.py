"""Bodies made of a label map by bending and changing a row of its bones."""
