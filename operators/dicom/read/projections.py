"""Makes Series of radiographs: each instance is a separate one, with a grid in pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from operators.dicom.elements.attributes import hint, is_unusual, whole
from operators.dicom.elements.inflation import read_inflated_span
from operators.dicom.headers.planes import Plane, frame_of, series_of
from operators.dicom.headers.projection_spacing import projection_spacing
from operators.dicom.headers.series import Fault, Series
from operators.dicom.read.series_groups import Group
from operators.errors import UnreadableError, shortage
from operators.geometry.projection import projection_grid

DEFLATED = "1.2.840.10008.1.2.1.99"
_DOUBLE = "the image was found more than once and counts once"


def projections_of(group: Group, damaged: Mapping[str, Sequence[str]]) -> list[Series]:
    """Returns a Series for each instance of a group, by InstanceNumber, then by UID.

    An instance that was found several times counts once, with a warning; different images under one UID make
    one Series with a fault. `damaged` are warnings by SeriesInstanceUID about files that cannot be read.
    """
    instances: dict[str, list[Plane]] = {}
    for plane in sorted(group.planes, key=lambda plane: (plane.order, plane.origin.name)):
        instances.setdefault(plane.origin.sop_instance_uid, []).append(plane)
    ordered = sorted(instances.values(), key=lambda planes: (_number(planes[0]), planes[0].order))
    return [
        _projection(group, planes, f"image {n} of {len(ordered)}" if len(ordered) > 1 else "", damaged)
        for n, planes in enumerate(ordered, 1)
    ]


def _number(plane: Plane) -> tuple[bool, int]:
    """Returns the InstanceNumber as a sort key; images without one come last."""
    try:
        number = whole(plane.sources, "InstanceNumber")
    except UnreadableError:
        number = None
    return number is None, number or 0


def _projection(
    group: Group, planes: Sequence[Plane], part: str, damaged: Mapping[str, Sequence[str]]
) -> Series:
    unique = list({plane.origin.frame_number: plane for plane in reversed(planes)}.values())[::-1]
    double = len(planes) - len(unique)
    first = unique[0]
    fault = _fault(planes, unique)
    spacing, _ = projection_spacing(first.sources[-1])
    return series_of(
        group.key,
        first,
        fault,
        None if fault else projection_grid(first.rows, first.columns, spacing),
        frames=tuple(frame_of(plane, k) for k, plane in enumerate(planes if double and fault else unique)),
        part=", ".join(filter(None, (group.label, part))),
        warnings=(
            *group.warnings,
            *((_DOUBLE,) if double and not fault else ()),
            *((first.note,) if first.note else ()),
            *_number_warnings(first),
            *damaged.get(group.key.series_instance_uid, ()),
        ),
    )


def _fault(planes: Sequence[Plane], unique: Sequence[Plane]) -> Fault | None:
    if _differ(planes):
        text = f"expected a SOPInstanceUID of its own for each image, got one for {len(planes)} files"
        return Fault("shared_uid", text)
    if len(unique) > 1:
        return Fault("multi_frame", f"expected one image in an instance, got {len(unique)} frames")
    if unique[0].pixels is None or unique[0].rows < 1 or unique[0].columns < 1:
        return Fault("no_image", "expected images, got instances without pixels")
    return None


def _number_warnings(plane: Plane) -> tuple[str, ...]:
    odd = [
        keyword for keyword in ("PixelSpacing", "ImagerPixelSpacing") if is_unusual(plane.sources, keyword)
    ]
    how = "read by the attributes' own rules although they have a decimal comma or another VR"
    return (f"{', '.join(odd)}: {how}",) if odd else ()


def _differ(planes: Sequence[Plane]) -> bool:
    """Returns whether planes of one instance and frame are different images: in size, number or stored bytes.

    Two transfer syntaxes cannot be compared without decoding, so only size and number are.
    """
    counted = Counter(plane.origin.frame_number for plane in planes)
    return any(
        _are_different([plane for plane in planes if plane.origin.frame_number == number])
        for number, count in counted.items()
        if count > 1
    )


def _are_different(planes: Sequence[Plane]) -> bool:
    first, *others = planes
    alike = (first.rows, first.columns, hint(first.sources, "InstanceNumber"))
    if any((each.rows, each.columns, hint(each.sources, "InstanceNumber")) != alike for each in others):
        return True
    same_syntax = [each for each in others if each.transfer_syntax_uid == first.transfer_syntax_uid]
    return any(_stored(each) != _stored(first) for each in same_syntax)


def _stored(plane: Plane) -> bytes:
    """Returns the stored bytes of a frame; b"" if they cannot be read. Raises TransientError."""
    spans = plane.pixels.spans if plane.pixels else ()
    try:
        path, deflated = plane.origin.path, plane.transfer_syntax_uid == DEFLATED
        return b"".join(read_inflated_span(path, span) if deflated else span.read(path) for span in spans)
    except (OSError, UnreadableError) as error:
        short = shortage(error)
        if short is not None:
            raise short from error
        return b""
