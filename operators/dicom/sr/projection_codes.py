"""Codes for the answer for a radiograph; names without a standard code get one of Osteon's own."""

from __future__ import annotations

import re

from operators.dicom.sr.measurement_items import PRIVATE
from operators.packages.packages import ModelPackage
from operators.packages.radiograph import RadiographPackage
from operators.packages.structures import LATERALITY, Code
from operators.segmentation.radiograph_answer import Verdict

# PS3.16 CID 100
PROCEDURE = Code("43468-8", "LN", "XR unspecified body region")
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


def code_named(name: str, known: dict[str, Code]) -> Code:
    """The code of a name, one of Osteon's own if there is no standard code."""
    value = re.sub(r"\W+", "_", name.strip().lower()) or "unknown"
    return known.get(name, Code(value[:64], PRIVATE, name.strip()[:64] or "unknown"))


def body_part_codes(package: ModelPackage) -> dict[str, Code]:
    """The codes that a package gives to the body parts that it recognises."""
    return package.body_parts if isinstance(package, RadiographPackage) else {}
