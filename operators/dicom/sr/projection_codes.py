"""Codes for the answer for a radiograph; names without a standard code get one of Osteon's own."""

from __future__ import annotations

import re

from operators.dicom.sr.measurement_items import PRIVATE
from operators.packages.packages import ModelPackage
from operators.packages.radiograph import RadiographPackage
from operators.packages.structures import LATERALITY, Code
from operators.segmentation.radiograph_answer import Verdict

# PS3.16 CID 100
XR_PROCEDURE = Code("43468-8", "LN", "XR unspecified body region")
# SNOMED CT qualifiers; the first two are those of PS3.16 CID 240
VERDICTS = {
    Verdict.FRACTURE: Code("52101004", "SCT", "Present"),
    Verdict.NO_FRACTURE: Code("272519000", "SCT", "Absent"),
    Verdict.UNCERTAIN: Code("82334004", "SCT", "Indeterminate"),
}
# PS3.16 CID 4010; CID 501
VIEWS = {
    "frontal": Code("399033003", "SCT", "frontal"),
    "lateral": Code("399067008", "SCT", "lateral"),
    "oblique": Code("21114003", "SCT", "Oblique"),
}
# PS3.16 CID 244
SIDES: dict[str, Code] = {
    **{str(side): code for side, code in LATERALITY.items()},
    "both": Code("51440002", "SCT", "Bilateral"),
}
# PS3.16 annex D
VIEW, SIDE = Code("111031", "DCM", "Image View"), Code("111027", "DCM", "Image Laterality")
OPERATING_POINT = Code("operating_point", PRIVATE, "Operating point of the decision")
BODY_PART = Code("body_part", PRIVATE, "Body part that the image shows")
WHOLE_IMAGE = "radiograph"
# PS3.16 CID 7469; UCUM
AREA = Code("42798000", "SCT", "Area")
PIXELS = Code("{pixels}", "UCUM", "pixels")
IN_PATIENT = Code("pixels_patient", PRIVATE, "Sum of outlined pixels, calibrated to the patient")
ON_DETECTOR = Code("pixels_detector", PRIVATE, "Sum of outlined pixels on the detector")
COUNTED = Code("pixels_counted", PRIVATE, "Count of outlined pixels")
BOUNDS = Code("bounds", PRIVATE, "Bounds of the outline, rows and columns counted from 0")
BOX = (
    Code("first_row", PRIVATE, "First row"),
    Code("first_column", PRIVATE, "First column"),
    Code("behind_last_row", PRIVATE, "Row after the last"),
    Code("behind_last_column", PRIVATE, "Column after the last"),
)
THRESHOLD = Code("threshold", PRIVATE, "Threshold of the probability")
SETTING = Code("setting", PRIVATE, "Setting of the model package")
RECOGNISED = Code("recognised", PRIVATE, "Output of a network, not calibrated")
BODY_PART_SHARE = Code("body_part_share", PRIVATE, "Network output for the body part")
VIEW_SHARE = Code("view_share", PRIVATE, "Network output for the view")
HARDWARE_SHARE = Code("hardware_share", PRIVATE, "Network output for metal in the image")


def code_named(name: str, known: dict[str, Code]) -> Code:
    """Returns the code of a name, one of Osteon's own if there is no standard code."""
    value = re.sub(r"\W+", "_", name.strip().lower()) or "unknown"
    return known.get(name, Code(value[:64], PRIVATE, name.strip()[:64] or "unknown"))


def body_part_codes(package: ModelPackage) -> dict[str, Code]:
    """Returns the codes that a package gives to the body parts that it recognises."""
    return package.body_parts if isinstance(package, RadiographPackage) else {}
