"""report.json: the outcome of every series, its provenance, and its cost. No patient data except UIDs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from app.run.record import SELECTED, SeriesRecord, StageRecord
from app.run.report_segments import segment_rows
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
    TEXT,
    TURNTABLE,
)
from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.read.scan import UnreadableFile
from operators.packages.joint import parts_of
from operators.packages.packages import ModelPackage
from operators.packages.seen import SeenStructure
from operators.radiographs.answer_flags import OTHER_BODY_PART, OTHER_IMAGE_KIND
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer
from operators.segmentation.segmentation import Contact, Flag
from operators.segmentation.study_verdict import study_verdict
from operators.segmentation.summary import summary

SCHEMA = "osteon-report/1"
# Together under one key of the report
OTHERS = (KEY_OBJECTS, SUMMARY, PDF, TEXT, *FALLBACKS, NAMES)

# Flags of a view to which the networks' answer may not apply
DOUBTS = (OTHER_BODY_PART, OTHER_IMAGE_KIND)
# Codes of projections that are no view of the study that could have been read
NO_VIEW = (
    "not_a_radiograph",
    "other_modality",
    "other_sop_class",
    "other_presentation",
    "another_series_chosen",
    "no_package",
)


def report(
    series: Sequence[SeriesRecord],
    *,
    made_at: datetime,
    software_versions: dict[str, str],
    exit_code: int,
    stages: Sequence[StageRecord] = (),
    unreadable: Sequence[UnreadableFile] = (),
) -> dict[str, Any]:
    """Returns the report as plain JSON; `stages` are of all series, `unreadable` are files."""
    return {
        "schema": SCHEMA,
        "made_at": made_at.isoformat(),
        "notice": "For research. Not for diagnosis.",
        "exit_code": exit_code,
        "software": dict(software_versions),
        "stages": [_stage(stage) for stage in stages],
        "series": [_series(record) for record in series],
        **({"studies": studies} if (studies := study_summaries(series, unreadable)) else {}),
        "unreadable": [{"path": f.path, "code": f.code, "sentence": f.reason} for f in unreadable],
        "models": _models(series),
    }


def study_summaries(
    series: Sequence[SeriesRecord], unreadable: Sequence[UnreadableFile] = ()
) -> list[dict[str, Any]]:
    """Returns what the radiographs of each study say together, in order; [] without answers.

    Images that belong to no study, such as PNG and JPEG, are in no summary.
    """
    answers: dict[str, list[RadiographAnswer]] = {}
    doubtful: Counter[str] = Counter()
    not_read = Counter(file.radiograph_of for file in unreadable)
    for record in series:
        uid, made = record.study_instance_uid, record.segmentation
        if uid and made and made.answer:
            answers.setdefault(uid, []).append(made.answer)
            doubtful[uid] += any(flag.code in DOUBTS for flag in made.flags)
        elif made is None and record.is_projection and record.code not in NO_VIEW:
            not_read[uid] += 1
    return [
        {"study_instance_uid": uid, **asdict(study_verdict(each, not_read[uid], doubtful[uid]))}
        for uid, each in answers.items()
    ]


def write_report(content: dict[str, Any], path: Path) -> Path:
    """Writes UTF-8 JSON, whole or not at all, with "?" for what UTF-8 cannot hold; raises OutputError."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(path, lambda file: file.write(text.encode(errors="replace")))


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
        "segments": segment_rows(made) if made else [],
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
    """Returns an answer without the heat map, which is for illustration only."""
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


def _contact(contact: Contact) -> dict[str, Any]:
    return asdict(contact) | {"fragments": list(contact.fragments)}


def _flag(flag: Flag) -> dict[str, Any]:
    return {"code": flag.code, "sentence": flag.sentence, "segments": list(flag.values)}


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
