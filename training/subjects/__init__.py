"""Subjects, the sources of training images: label maps, masked bones, CTs without the anatomy."""
