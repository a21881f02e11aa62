"""Reports of a job's results to systems that take no DICOM: HL7 v2 by MLLP, FHIR R4 by HTTP."""
