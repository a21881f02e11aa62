"""DICOM series and results: CTs of known values, bad headers, files of other software."""
