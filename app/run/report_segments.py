"""Segments, bones and their measurements in report.json."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from functools import reduce
from operator import or_
from typing import Any

from operators.packages.structures import Code
from operators.segmentation.measurements import HeadSphere, NotMeasurable, SegmentMeasurements
from operators.segmentation.segmentation import Segment, Segmentation

OF_SEGMENT = ("volume_mm3", "area_mm2", "diameter_mm", "gap", "place", "displacement")


def segment_rows(made: Segmentation) -> list[dict[str, Any]]:
    """Returns each segment with its measurements, and the package that delivered it if there are several."""
    rows = {row.value: row for row in made.measurements}
    return [
        _segment(segment) | _model_of(made, segment) | measurement_rows(rows.get(segment.value))
        for segment in made.segments
    ]


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "value": segment.value,
        "label": segment.label,
        "bone": segment.bone,
        "fragment": segment.fragment,
        "category": _code(segment.category),
        "type": _code(segment.type),
        "region": _code(segment.region),
        "laterality": _code(segment.laterality),
        "volume_ml": round(segment.volume_ml, 3),
        "confidence": segment.confidence,
        **_probabilities(segment),
        **({"level": asdict(segment.level)} if segment.level else {}),
        "network_mean": round(segment.network_mean, 4),
    }


def _model_of(made: Segmentation, segment: Segment) -> dict[str, str]:
    """Returns the package that delivered a segment, if there are several."""
    maker = made.package.maker_of(segment.bone)
    return {} if maker is made.package else {"model": maker.name}


def _probabilities(segment: Segment) -> dict[str, float]:
    """Returns the calibrated probabilities of the whole bone; those without calibration are left out."""
    names = ("bone_probability", "fracture_probability")
    return {name: value for name in names if (value := getattr(segment, name)) is not None}


def _code(code: Code | None) -> dict[str, str] | None:
    return None if code is None else asdict(code)


def measurement_rows(row: SegmentMeasurements | None) -> dict[str, Any]:
    """Returns the measurements of a segment and of its whole bone, without the surface itself."""
    if row is None:
        return {}
    found = {name: _plain(part) for name in OF_SEGMENT if (part := getattr(row, name)) is not None}
    whole = [_plain(bone) for bone in (row.long_bone, row.vertebral_body) if bone is not None]
    return {"measurements": found} | ({"whole_bone": reduce(or_, whole)} if whole else {})


def _plain(part: Any) -> Any:
    """Returns numbers with three decimals, and why a number is not known; what is None is left out."""
    if isinstance(part, NotMeasurable):
        return {"not_measurable": part.reason}
    if isinstance(part, HeadSphere):
        centre = [round(value, 3) for value in part.centre_lps]
        return {"centre_lps": centre, "radius_mm": _plain(part.radius_mm)}
    if is_dataclass(part):
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        return {name: _plain(value) for name, value in values.items() if value is not None}
    if isinstance(part, tuple):
        return [_plain(each) for each in part]
    return round(part, 3) if isinstance(part, float) else part
