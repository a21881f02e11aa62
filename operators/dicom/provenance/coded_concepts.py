"""Coded concepts as highdicom writes them; created anew for each use, because they are mutable."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from operators.packages.structures import Code

# PS3.16 CID 7162 "Surface Processing Algorithm Family"; 123109 there is "Manual Processing".
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
# PS3.16 CID 7005 "Contributing Equipment"
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")


def concept(code: Code) -> CodedConcept:
    """Returns a new code sequence item."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def code_of(item: Dataset) -> Code:
    """Returns the code of a code sequence item, short or long (PS3.3 8.8)."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue", "")
    return Code(str(value), str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))
