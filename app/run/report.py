"""report.json: the outcome of every series, its provenance, and its cost. No patient data except UIDs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from app.run.record import SELECTED, SeriesRecord, StageRecord
from app.run.results import (
    FALLBACKS,
    FILES,
    KEY_OBJECTS,
    NAMES,
    PAGE,
    PDF,
    PICTURES,
    PREVIEW,
    SR,
    SUMMARY,
    TURNTABLE,
)
from operators.dicom.elements.atomic_file import write_whole
from operators.packages.joint import parts_of
from operators.packages.packages import ModelPackage
from operators.packages.seen import SeenStructure
from operators.packages.structures import Code
from operators.segmentation.measurements import (
    Displacement,
    HeadSphere,
    LongBone,
    Measured,
    NotMeasurable,
    SegmentMeasurements,
    VertebralBody,
)
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer
from operators.segmentation.segmentation import Contact, Flag, Segment, Segmentation
from operators.segmentation.study_verdict import study_verdict
from operators.segmentation.summary import summary

SCHEMA = "osteon-report/1"
# Together under one key of the report
OTHERS = (KEY_OBJECTS, SUMMARY, PDF, *FALLBACKS, NAMES)


def report(
    series: Sequence[SeriesRecord],
    *,
    made_at: datetime,
    software_versions: dict[str, str],
    exit_code: int,
    stages: Sequence[StageRecord] = (),
    unreadable: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """The report as plain JSON; `stages` are of all series, `unreadable` are files that cannot be read."""
    return {
        "schema": SCHEMA,
        "made_at": made_at.isoformat(),
        "notice": "For research. Not for diagnosis.",
        "exit_code": exit_code,
        "software": dict(software_versions),
        "stages": [_stage(stage) for stage in stages],
        "series": [_series(record) for record in series],
        **({"studies": studies} if (studies := study_summaries(series)) else {}),
        "unreadable": list(unreadable),
        "models": _models(series),
    }


def study_summaries(series: Sequence[SeriesRecord]) -> list[dict[str, Any]]:
    """What the radiographs of each study say together, in the order of the studies; [] without radiographs.

    Images that belong to no study, such as PNG and JPEG, are in no summary.
    """
    answers: dict[str, list[RadiographAnswer]] = {}
    for record in series:
        if record.study_instance_uid and record.segmentation and record.segmentation.answer:
            answers.setdefault(record.study_instance_uid, []).append(record.segmentation.answer)
    return [{"study_instance_uid": uid, **asdict(study_verdict(each))} for uid, each in answers.items()]


def write_report(content: dict[str, Any], path: Path) -> Path:
    """Writes UTF-8 JSON, whole or not at all; raises OutputError."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(path, lambda file: file.write(text.encode()))


def _series(record: SeriesRecord) -> dict[str, Any]:
    made = record.segmentation
    warnings = (*record.warnings, *(made.warnings if made else ()))
    return {
        "study_instance_uid": record.study_instance_uid,
        "series_instance_uid": record.series_instance_uid,
        "other_series": list(record.other_series),
        "part": record.part,
        "modality": record.modality,
        "slices": record.slices,
        "decision": "selected" if record.code == SELECTED else "refused",
        "code": record.code,
        "sentence": record.sentence,
        "warnings": list(warnings),
        "model": made.package.name if made else None,
        "result": record.result,
        "measurements": record.name(SR),
        "files": list(record.names.get(FILES, ())),
        "pictures": list(record.names.get(PICTURES, ())),
        "turntable": list(record.names.get(TURNTABLE, ())),
        "preview": record.name(PREVIEW),
        "page": record.name(PAGE),
        "others": {kind: name for kind in OTHERS if (name := record.name(kind))},
        "missing": [asdict(each) for each in record.missing],
        "result_sop_instance_uid": record.result_sop_instance_uid,
        "segments": _segments(made) if made else [],
        "flags": [_flag(flag) for flag in made.flags] if made else [],
        "summary": list(summary(made)) if made else [],
        **({"answer": _answer(made.answer)} if made and made.answer else {}),
        **({"contacts": [_contact(contact) for contact in made.contacts]} if made and made.contacts else {}),
        **({"correction": made.correction.sop_instance_uid} if made and made.correction else {}),
        "seen": [_seen(each) for each in made.seen] if made else [],
        "packages": [asdict(each) for each in made.outcomes] if made else [],
        "networks": [asdict(run) for run in made.network_runs] if made else [],
        "stages": [_stage(stage) for stage in record.stages],
    }


def _answer(answer: RadiographAnswer) -> dict[str, Any]:
    """An answer without the heat map, which is for illustration only."""
    parts = {field.name: getattr(answer, field.name) for field in fields(answer) if field.name != "heat_map"}
    return parts | {
        "verdict": answer.verdict.value,
        "uncertain": list(answer.uncertain),
        "body_part": asdict(answer.body_part),
        "view": asdict(answer.view),
        "findings": [_finding(finding) for finding in answer.findings],
    }


def _finding(finding: FractureFinding) -> dict[str, Any]:
    area_mm2 = None if finding.area_mm2 is None else round(finding.area_mm2, 3)
    return asdict(finding) | {"box": list(finding.box), "area_mm2": area_mm2}


def _seen(each: SeenStructure) -> dict[str, Any]:
    return {
        "structure": each.name,
        "network_mean": round(each.network_mean, 4),
        "volume_ml": round(each.volume_ml, 1),
        "box_mm": [[round(side, 1) for side in corner] for corner in (each.low_mm, each.high_mm)],
    }


def _segments(made: Segmentation) -> list[dict[str, Any]]:
    rows = {row.value: row for row in made.measurements}
    return [
        _segment(segment) | _model_of(made, segment) | _measurements(rows.get(segment.value))
        for segment in made.segments
    ]


def _model_of(made: Segmentation, segment: Segment) -> dict[str, str]:
    """The package that delivered a segment, if there are several."""
    maker = made.package.maker_of(segment.bone)
    return {} if maker is made.package else {"model": maker.name}


def _measurements(row: SegmentMeasurements | None) -> dict[str, Any]:
    """Returns the measurements, without the surface itself."""
    if row is None:
        return {}
    parts = {"volume_mm3": row.volume_mm3, "area_mm2": row.area_mm2, "diameter_mm": row.diameter_mm}
    numbers = {name: _rounded(asdict(part)) for name, part in parts.items()}
    gap = {"gap": _rounded(asdict(row.gap))} if row.gap else {}
    moved = row.displacement
    turned = dict(_named(moved)) if moved else {}
    place = {"place": _plain(row.place)} if row.place else {}
    found = numbers | gap | place | ({"displacement": turned} if turned else {})
    whole = [each for each in (row.long_bone, row.vertebral_body) if each is not None]
    return {"measurements": found} | ({"whole_bone": dict(chain(*map(_named, whole)))} if whole else {})


def _named(measured: LongBone | VertebralBody | Displacement) -> list[tuple[str, Any]]:
    """Returns what was measured, by its name, and why the rest was not."""
    parts = ((field.name, getattr(measured, field.name)) for field in fields(measured))
    return [(name, _plain(part)) for name, part in parts if part is not None]


def _plain(part: Any) -> Any:
    if isinstance(part, Measured):
        return _rounded(asdict(part))
    if isinstance(part, HeadSphere):
        centre = [round(value, 3) for value in part.centre_lps]
        return {"centre_lps": centre, "radius_mm": _rounded(asdict(part.radius_mm))}
    if isinstance(part, NotMeasurable):
        return {"not_measurable": part.reason}
    if is_dataclass(part):
        return {field.name: _plain(getattr(part, field.name)) for field in fields(part)}
    if isinstance(part, tuple):
        return [_plain(each) for each in part]
    return round(part, 3) if isinstance(part, float) else part


def _rounded(numbers: dict[str, float | None]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in numbers.items() if value is not None}


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


def _probabilities(segment: Segment) -> dict[str, float]:
    """Returns the calibrated probabilities of the whole bone; those without calibration are left out."""
    names = ("bone_probability", "fracture_probability")
    return {name: value for name in names if (value := getattr(segment, name)) is not None}


def _contact(contact: Contact) -> dict[str, Any]:
    return asdict(contact) | {"fragments": list(contact.fragments)}


def _flag(flag: Flag) -> dict[str, Any]:
    return {"code": flag.code, "sentence": flag.sentence, "segments": list(flag.values)}


def _code(code: Code | None) -> dict[str, str] | None:
    return None if code is None else asdict(code)


def _stage(stage: StageRecord) -> dict[str, Any]:
    return asdict(stage) | {"seconds": round(stage.seconds, 3), "peak_rss_mb": round(stage.peak_rss_mb, 1)}


def _models(series: Sequence[SeriesRecord]) -> list[dict[str, Any]]:
    made = (record.segmentation.package for record in series if record.segmentation)
    used = {package.name: package for each in made for package in parts_of(each)}
    return [_model(package) for package in used.values()]


def _model(package: ModelPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "algorithm": package.algorithm_name,
        **({"operating_point": package.operating_point} if package.operating_point else {}),
        "networks": [{"name": n.name, "sha256": n.sha256} for n in package.networks],
    }
