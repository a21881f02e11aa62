"""Reads and writes volumes, label maps and surfaces in file formats other than DICOM results."""
