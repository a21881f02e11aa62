"""Makes Series from the planes that the headers of one DICOM series describe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from operators.dicom.elements.attributes import Sources, decimal, hint, is_unusual
from operators.dicom.elements.image_classes import is_projection
from operators.dicom.headers.planes import Plane, SeriesKey, frame_of, series_of
from operators.dicom.headers.series import Fault, Series
from operators.dicom.hounsfield.hounsfield_header import Facts, flags
from operators.dicom.read.kinds import typical
from operators.dicom.read.one_scan import Piece, join_pieces
from operators.dicom.read.projections import projections_of
from operators.dicom.read.series_groups import group_planes
from operators.dicom.read.splitting import SeriesPart, split_series, with_warnings
from operators.errors import UnreadableError

NO_WARNINGS: Mapping[str, Sequence[str]] = {}
# Attributes that determine positions and Hounsfield units
NUMBERS = (
    "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept",
    "SliceThickness",
)  # fmt: skip


def all_series(
    planes: Sequence[Plane], damaged: Mapping[str, Sequence[str]] = NO_WARNINGS
) -> tuple[Series, ...]:
    """Returns the Series of all planes: several if a DICOM series must be split, one if two are one scan.

    Each radiograph is a separate Series. `damaged` are warnings, by SeriesInstanceUID, about unreadable files
    that would belong to the series.
    """
    groups = group_planes(planes)
    pieces = [
        Piece(group.key, with_warnings(_labelled(part, group.label), group.warnings))
        for group in groups
        if not is_projection(group.key.sop_class_uid)
        for part in split_series(group.planes)
    ]
    volumes = [(piece.key, _series(piece.key, piece.part, damaged)) for piece in join_pieces(pieces)]
    projections = [
        (group.key, series)
        for group in groups
        if is_projection(group.key.sop_class_uid)
        for series in projections_of(group, damaged)
    ]
    found = sorted((*volumes, *projections), key=lambda pair: pair[0])
    return tuple(series for _, series in found)


def _labelled(part: SeriesPart, label: str) -> SeriesPart:
    return replace(part, label=", ".join(filter(None, (label, part.label))))


def _series(key: SeriesKey, part: SeriesPart, damaged: Mapping[str, Sequence[str]]) -> Series:
    planes = [part.planes[n] for n in part.layout.kept]
    first = typical(planes) if planes[0].orientation and part.layout.grid else planes[0]
    fault = _fault(part, first)
    uids = sorted({plane.origin.key.series_instance_uid for plane in planes})
    warnings = [text for uid in uids for text in damaged.get(uid, ())]
    places = part.layout.k or map(float, range(len(planes)))
    return series_of(
        key,
        first,
        fault,
        part.layout.grid,
        orientation=first.orientation or (),
        frames=tuple(frame_of(plane, k, plane.position) for plane, k in zip(planes, places, strict=True)),
        kernel=hint(first.sources, "ConvolutionKernel"),
        slice_thickness_mm=_thickness_mm(first.sources),
        part=part.label,
        warnings=(
            *part.warnings,
            *_notes(planes),
            *_rescale_warnings(planes),
            *_number_warnings(first),
            *warnings,
        ),
    )


def _fault(part: SeriesPart, first: Plane) -> Fault | None:
    if part.layout.fault:
        return Fault(*part.layout.fault)
    if not first.frame_of_reference_uid:
        # A SEG refers to its source's frame of reference (PS3.3 C.8.20.2), and none is invented here.
        return Fault("no_frame_of_reference", "expected a FrameOfReferenceUID, got none")
    if first.pixels is None:
        return Fault("no_image", "expected images, got instances without pixels")
    return None


def _thickness_mm(sources: Sources) -> float:
    try:
        return decimal(sources, "SliceThickness") or 0.0
    except UnreadableError:
        return 0.0


def _notes(planes: Sequence[Plane]) -> tuple[str, ...]:
    counted = Counter(plane.note for plane in planes if plane.note)
    return tuple(f"{count} of {len(planes)} slices: {note}" for note, count in counted.items())


def _number_warnings(plane: Plane) -> tuple[str, ...]:
    """Returns warnings for one slice: a writer of unusual numbers writes them in all slices."""
    odd = [keyword for keyword in NUMBERS if is_unusual(plane.sources, keyword)]
    how = "read as numbers although they have a decimal comma or another VR"
    return (f"{', '.join(odd)}: {how}",) if odd else ()


def _rescale_warnings(planes: Sequence[Plane]) -> tuple[str, ...]:
    """Returns the doubts that headers leave about the values; the image decides when it is read."""
    first = planes[0]
    pixels = [plane.pixels for plane in planes if plane.pixels]
    facts = Facts.of_planes(first.origin.key.modality, first.image_type, pixels, first.sources[-1])
    return (*_missing_intercepts(planes), *(note.text for note in flags(facts)))


def _missing_intercepts(planes: Sequence[Plane]) -> tuple[str, ...]:
    without = sum(not hint(plane.sources, "RescaleIntercept") for plane in planes if plane.pixels)
    if not without or planes[0].origin.key.modality != "CT":
        return ()
    taken = "stored values are taken as HU" if without == len(planes) else "the slices beside them decide"
    return (f"{without} of {len(planes)} slices have no RescaleIntercept: {taken}",)
