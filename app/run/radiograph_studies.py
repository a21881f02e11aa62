"""Summarises each study that has radiographs, for report.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from operators.segmentation.radiograph_answer import RadiographAnswer
from operators.segmentation.study_verdict import study_verdict

if TYPE_CHECKING:
    from app.run.report import SeriesRecord


def study_summaries(series: Sequence[SeriesRecord]) -> list[dict[str, Any]]:
    """The studies with an answer, in input order; [] if none has one.

    Images that belong to no study, such as PNG and JPEG, are in no summary.
    """
    answers: dict[str, list[RadiographAnswer]] = {}
    for record in series:
        if record.study_instance_uid and record.segmentation and record.segmentation.answer:
            answers.setdefault(record.study_instance_uid, []).append(record.segmentation.answer)
    return [_summary(uid, of_study) for uid, of_study in answers.items()]


def _summary(study_instance_uid: str, answers: Sequence[RadiographAnswer]) -> dict[str, Any]:
    found = study_verdict(answers)
    return {
        "study_instance_uid": study_instance_uid,
        "verdict": found.verdict.value,
        "probability": found.probability,
        "views": found.views,
        "sentence": found.sentence,
    }
