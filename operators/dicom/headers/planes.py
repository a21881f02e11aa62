"""Describes the image planes of headers, single-frame or multi-frame alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from operators.dicom.elements import attributes
from operators.dicom.elements.attributes import Sources, items
from operators.dicom.headers.anatomy import body_part
from operators.dicom.headers.headers import Header
from operators.dicom.headers.series import Fault, Frame, Series, StoredPixels
from operators.dicom.headers.stored_pixels import FrameSpans, spans_of, stored_pixels
from operators.errors import UnreadableError
from operators.geometry.volume import Grid

Vector = tuple[float, ...]

# PS3.3 C.7.6.16: macros of a multi-frame image that a frame may override.
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


@dataclass(frozen=True, order=True)
class SeriesKey:
    """The values that all planes of one DICOM series share; the patient's only separate series that were
    mixed up.

    The name counts only if there is no date of birth, as it may change and is spelled in many forms.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    modality: str
    patient_id: str
    patient_birth_date: str
    patient_name: str


@dataclass(frozen=True)
class PlaneOrigin:
    """The source of a plane; `name` is its file, relative to the folder that was read."""

    path: Path
    name: str
    key: SeriesKey
    sop_instance_uid: str
    frame_number: int | None


@dataclass(frozen=True, eq=False)
class Plane:
    """One image plane and its position (PS3.3 C.7.6.2), with None for what the header does not say.

    `spacing_mm` is between rows, then between columns, as in PixelSpacing; `note` is the header's.
    """

    origin: PlaneOrigin
    frame_of_reference_uid: str
    position: Vector | None
    orientation: Vector | None
    spacing_mm: Vector | None
    rows: int
    columns: int
    image_type: tuple[str, ...]
    pixels: StoredPixels | None
    sources: Sources
    transfer_syntax_uid: str
    note: str = ""

    @property
    def order(self) -> tuple[str, int]:
        """A sort key that depends only on the planes' own identity."""
        return self.origin.sop_instance_uid, self.origin.frame_number or 0


# A position that is not known
NOWHERE = (math.nan,) * 3


def frame_of(plane: Plane, k: float, position: Vector | None = None) -> Frame:
    """Returns a plane as the slice of a series at index `k`, at a position in LPS mm if that is known."""
    x, y, z = position or NOWHERE
    origin = plane.origin
    uid, number, series_uid = origin.sop_instance_uid, origin.frame_number, origin.key.series_instance_uid
    return Frame(origin.path, uid, number, (x, y, z), float(k), plane.pixels, series_uid)


def series_of(key: SeriesKey, first: Plane, fault: Fault | None, grid: Grid | None, **own: Any) -> Series:
    """Returns a series with what its header says in the plane `first`, and with what is its `own`."""
    return Series(
        study_instance_uid=key.study_instance_uid,
        series_instance_uid=key.series_instance_uid,
        sop_class_uid=key.sop_class_uid,
        modality=key.modality,
        description=attributes.hint(first.sources, "SeriesDescription"),
        body_part=body_part(first.sources),
        rows=first.rows,
        columns=first.columns,
        grid=None if fault else grid,
        fault=fault,
        frame_of_reference_uid=first.frame_of_reference_uid,
        image_type=first.image_type,
        transfer_syntax_uid=first.transfer_syntax_uid,
        header=first.sources[-1],
        **own,
    )


def series_key(header: Header) -> SeriesKey:
    """Returns the series of a file. Raises UnreadableError if a UID is malformed."""
    sources = (header.dataset,)
    birth_date = attributes.text(sources, "PatientBirthDate")
    return SeriesKey(
        attributes.uid(sources, "StudyInstanceUID"),
        attributes.uid(sources, "SeriesInstanceUID"),
        _identity(header, "SOPClassUID", "MediaStorageSOPClassUID"),
        attributes.code_string(sources, "Modality"),
        attributes.text(sources, "PatientID"),
        birth_date,
        "" if birth_date else attributes.text(sources, "PatientName").rstrip("^"),
    )


def _identity(header: Header, keyword: str, meta_keyword: str) -> str:
    return attributes.uid((header.dataset,), keyword) or attributes.uid(
        (header.dataset.file_meta,), meta_keyword
    )


def planes_of(header: Header, key: SeriesKey, path: Path, name: str) -> list[Plane]:
    """Returns one plane for each frame; without functional groups all have the instance's one position."""
    sop_instance_uid = _identity(header, "SOPInstanceUID", "MediaStorageSOPInstanceUID")
    if not sop_instance_uid:
        raise UnreadableError("expected a SOPInstanceUID, got none", code="invalid_uid")
    spans = spans_of(header, key.sop_class_uid)
    groups = attributes.items(header.dataset, _PER_FRAME)
    if groups and spans and len(groups) != len(spans):
        raise UnreadableError(f"expected functional groups for {len(spans)} frames, got {len(groups)}")
    shared = [macro for group in attributes.items(header.dataset, _SHARED) for macro in macros(group)]
    planes = []
    count = max(len(groups), len(spans), 1)
    for n in range(count):
        own = macros(groups[n]) if groups else []
        number = n + 1 if groups or count > 1 else None
        sources = (*own, *shared, header.dataset)
        planes.append(
            _plane(sources, PlaneOrigin(path, name, key, sop_instance_uid, number), header, spans, n)
        )
    return planes


def _plane(sources: Sources, origin: PlaneOrigin, header: Header, spans: FrameSpans, n: int) -> Plane:
    return Plane(
        origin=origin,
        frame_of_reference_uid=attributes.uid(sources, "FrameOfReferenceUID"),
        position=attributes.decimals(sources, "ImagePositionPatient", 3),
        orientation=attributes.decimals(sources, "ImageOrientationPatient", 6),
        spacing_mm=attributes.decimals(sources, "PixelSpacing", 2),
        rows=attributes.whole(sources, "Rows", 0) or 0,
        columns=attributes.whole(sources, "Columns", 0) or 0,
        image_type=attributes.words(sources, "FrameType") or attributes.words(sources, "ImageType"),
        pixels=stored_pixels(sources, header.transfer_syntax_uid, spans[n]) if spans else None,
        sources=sources,
        transfer_syntax_uid=header.transfer_syntax_uid,
        note=header.note,
    )


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
