"""Results of one series: the table IMAGE_KINDS of what is made, their paths, and which are missing."""
