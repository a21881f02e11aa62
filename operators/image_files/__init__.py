"""Reads CTs and label maps from NIfTI, NRRD and MetaImage, and label maps from DICOM SEG and RTSTRUCT."""
