"""What the results of a study state about fractures: part of each series' outcome, and shown with the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbos import DBOSClient

from operators.packages.confidence import percent

FRACTURE = "fracture"
# In order of precedence among the series of a study, as in operators/segmentation/study_verdict.py
WORDS: dict[str, str] = {
    FRACTURE: "fracture found",
    "uncertain": "uncertain whether there is a fracture",
    "no_fracture": "no fracture found",
}


@dataclass(frozen=True)
class Finding:
    """A code of WORDS and its calibrated probability, None if the package states none.

    `threshold` is the one that decided, in words; '' if none did.
    """

    code: str
    probability: float | None = None
    threshold: str = ""

    def __str__(self) -> str:
        """Returns the finding in words, without patient data."""
        if self.probability is None:
            return WORDS[self.code]
        at = f"; {self.threshold}" if self.threshold else ""
        return f"{WORDS[self.code]} (probability {percent(self.probability)}{at})"


def finding_of(outcome: Any) -> Finding | None:
    """Returns the finding of a job from its outcome, or None if no series has one.

    Its probability is the greatest among the series with the same code. Outcomes stored by earlier versions
    have no finding.
    """
    series = outcome.get("series", ()) if isinstance(outcome, Mapping) else ()
    found = [each["finding"] for each in series if each.get("finding")]
    for code in WORDS:
        if same := [Finding(**each) for each in found if each["code"] == code]:
            return max(same, key=lambda each: each.probability or 0.0)
    return None


def shows_fracture(outcome: Any) -> bool:
    """Returns whether any series of a job shows a fracture."""
    finding = finding_of(outcome)
    return finding is not None and finding.code == FRACTURE


def any_shows_fracture(client: DBOSClient, job_ids: list[str]) -> bool:
    """Returns whether the results of any of these jobs show a fracture. Raises SQLAlchemyError."""
    if not job_ids:
        return False
    rows = client.list_workflows(workflow_ids=job_ids, status="SUCCESS", load_input=False)
    return any(shows_fracture(row.output) for row in rows)
