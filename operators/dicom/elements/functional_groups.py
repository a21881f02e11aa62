"""The macros of a multi-frame image's functional groups."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from operators.dicom.elements.attributes import items

# The macros in which a CT's functional groups keep the attributes read here (PS3.3 C.7.6.16.2, C.8.15.3),
# last the attributes of converted images that have no macro. Everything else in a group is private, or
# describes other images than its frame.
_MACROS: dict[int, str] = {int(Tag(keyword)): keyword for keyword in (
    "FrameContentSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "CTImageFrameTypeSequence",
    "CTReconstructionSequence",
    "CTXRayDetailsSequence",
    "CardiacSynchronizationSequence",
    "TemporalPositionSequence",
    "FrameAnatomySequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)}  # fmt: skip
_MACRO_PLACES = {tag: place for place, tag in enumerate(_MACROS)}


def macros(group: Dataset) -> list[Dataset]:
    """Returns the first item of each macro of a functional group, except private sequences and references."""
    present = sorted(_MACRO_PLACES.keys() & group.keys(), key=_MACRO_PLACES.__getitem__)
    found = (items(group, _MACROS[tag]) for tag in present)
    return [macro[0] for macro in found if macro]
