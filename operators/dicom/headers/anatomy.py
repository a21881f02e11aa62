"""Which part and side of the body an image shows, and from where, as its header says."""

from __future__ import annotations

import re

from operators.dicom.elements.attributes import Sources, code_string, hint, items
from operators.errors import UnreadableError
from operators.geometry.value_notes import SIDE_CONTRADICTION, Note

# PS3.3 C.7.3.1, C.8.11.1 (DX Anatomy Imaged), 10.5; U is unpaired, which is no side
SIDES = {"L": "left", "R": "right", "B": "both"}

# PS3.3 C.7.2.1, C.7.3.1: the requested procedure, the protocol, the performed procedure
DESCRIPTIONS = (
    "RequestedProcedureDescription",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
)

# PS3.3 C.7.6.1.1.1: the main direction first
DIRECTION = re.compile("[APRLHF]{1,3}")


def body_part(sources: Sources) -> str:
    """BodyPartExamined, or what AnatomicRegionSequence means (PS3.3 10.5), in capitals."""
    return (hint(sources, "BodyPartExamined") or _meaning(sources, "AnatomicRegionSequence")).upper()


def procedure(sources: Sources) -> str:
    """Descriptions and code meanings of the procedure and its protocol, in capitals and any language."""
    texts = [hint(sources, keyword) for keyword in DESCRIPTIONS]
    return "; ".join(filter(None, (*texts, _meaning(sources, "ProcedureCodeSequence")))).upper()


def laterality(sources: Sources) -> str:
    """Returns the side of the body: "left", "right", "both", or "" where the header says nothing of it, or
    contradicts itself.
    """
    named = named_sides(sources)
    return named[0] if len(named) == 1 else ""


def named_sides(sources: Sources) -> tuple[str, ...]:
    """Returns the different sides that ImageLaterality, Laterality and FrameLaterality name."""
    try:
        frames = [item for dataset in sources for item in items(dataset, "FrameAnatomySequence")]
    except UnreadableError:
        frames = []
    places = ((sources, "ImageLaterality"), (sources, "Laterality"), ((*sources, *frames), "FrameLaterality"))
    named = (SIDES.get(code_string(places, keyword).upper(), "") for places, keyword in places)
    return tuple(dict.fromkeys(filter(None, named)))


def side_notes(sources: Sources) -> tuple[Note, ...]:
    """Returns a note where the header names different sides."""
    named = named_sides(sources)
    text = f"The header names both {' and '.join(named)} as the side: none is taken from it."
    return (Note(SIDE_CONTRADICTION, text),) if len(named) > 1 else ()


def view(sources: Sources) -> str:
    """ViewPosition, or what ViewCodeSequence means (PS3.3 C.8.11.5); "" where neither is there."""
    return code_string(sources, "ViewPosition") or _meaning(sources, "ViewCodeSequence")


def directions(sources: Sources) -> tuple[str, ...]:
    """Returns towards what the rows and the columns of an image run (PatientOrientation), such as L and F; ()
    where the header says nothing of it, or no two directions.
    """
    found = tuple(hint(sources, "PatientOrientation").split("\\"))
    return found if len(found) == 2 and all(DIRECTION.fullmatch(each) for each in found) else ()


def _meaning(sources: Sources, keyword: str) -> str:
    """Returns the meaning of the first code of a sequence."""
    try:
        codes = [item for dataset in sources for item in items(dataset, keyword)]
    except UnreadableError:
        return ""
    return hint(codes[:1], "CodeMeaning")
