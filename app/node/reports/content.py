"""What a report says, whichever way it is sent: from report.json of each series, and the study's patient."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from operators.dicom.headers.study_identity import StudyIdentity
from operators.errors import OutputError

# Before everything else that a report says
FIRST = "AI, not for diagnosis"
# By the last word of a figure's name in report.json: its unit in UCUM
UNITS = {"mm3": "mm3", "mm2": "mm2", "mm": "mm", "ml": "mL", "deg": "deg", "hu": "[hnsf'U]"}
# Of a segment in report.json: what identifies it, and technical figures
NOT_FIGURES = frozenset(("value", "label", "fragment", "network_mean", "model"))
VALUE, UNCERTAINTY = "value", "uncertainty"


@dataclass(frozen=True)
class Figure:
    """A number or a word about a part; `key` is its place in report.json, `unit` UCUM or '' for none."""

    key: str
    value: float | str
    unit: str = ""
    uncertainty: float | None = None

    @property
    def name(self) -> str:
        """Returns the figure's name in words."""
        words = self.key.replace(".", " ").replace("_", " ").split()
        return " ".join(words[:-1] if self.unit and words[-1] in UNITS else words)


@dataclass(frozen=True)
class Part:
    """A bone, a fragment, or a fracture outlined in a radiograph; codes are those of report.json."""

    number: str
    label: str
    region: Mapping[str, str] | None
    laterality: Mapping[str, str] | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class ReportContent:
    """A report on one job; `sentences` begin with FIRST. `is_withdrawn`: the results are not to be used;
    `corrections` are the corrected SEGs that it is of, if people corrected the results.
    """

    job_id: str
    made_at: datetime
    software: str
    identity: StudyIdentity
    sentences: tuple[str, ...]
    parts: tuple[Part, ...]
    is_withdrawn: bool = False
    corrections: tuple[str, ...] = ()

    def uid(self, what: str = "") -> str:
        """Returns the UUID of the report, or of a part of it: always the same for the same job."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.job_id}/{what}"))


def read_content(
    paths: Sequence[Path], job_id: str, identity: StudyIdentity, is_withdrawn: bool
) -> ReportContent:
    """Returns the content from the report.json of each series. Raises OutputError if one cannot be used."""
    try:
        files = [json.loads(path.read_bytes()) for path in paths]
        series = [file["series"][0] for file in files]
        studies = {row["study_instance_uid"] for row in series}
        if studies != {identity.study_instance_uid}:
            raise OutputError("expected the patient of the results' study, got another's", code="altered")
        return ReportContent(
            job_id,
            max(datetime.fromisoformat(file["made_at"]) for file in files).astimezone(),
            f"Osteon {files[0]['software']['osteon']}",
            identity,
            tuple(sentences_of(series, files[0]["revision"], is_withdrawn)),
            tuple(part for row in series for part in parts_of(row, len(series) > 1)),
            is_withdrawn,
            tuple(row["correction"] for row in series if "correction" in row),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutputError("expected a readable report.json, got another file", code="altered") from error


def sentences_of(series: Sequence[Mapping[str, Any]], revision: int, is_withdrawn: bool) -> Iterator[str]:
    """Yields what the report says in sentences, those of each series after its name if there are several."""
    yield f"{FIRST}."
    if is_withdrawn:
        yield "These results were withdrawn and are not to be used."
        return
    if revision > 1:
        yield f"Version {revision} of the results of this study, after more or corrected images."
    if any("correction" in row for row in series):
        yield "Corrected by a person; this replaces the results before."
    for row in series:
        if len(series) > 1:
            yield f"Series {row['series_instance_uid']}:"
        yield from row["summary"]


def parts_of(row: Mapping[str, Any], is_one_of_several: bool) -> Iterator[Part]:
    """Yields the segments of a series."""
    prefix = f"{row['series_instance_uid']}/" if is_one_of_several else ""
    for segment in row["segments"]:
        figures = {key: value for key, value in segment.items() if key not in NOT_FIGURES}
        yield Part(
            f"{prefix}{segment['value']}",
            segment["label"],
            segment.get("region"),
            segment.get("laterality"),
            tuple(figures_in(figures)),
        )


def figures_in(found: Any, key: str = "") -> Iterator[Figure]:
    """Yields the numbers and words at any depth, each with the unit in its name; codes and lists are none."""
    unit = UNITS.get(key.rpartition("_")[2], "")
    if isinstance(found, Mapping) and VALUE in found:
        if isinstance(found[VALUE], int | float):
            yield Figure(key, found[VALUE], unit, found.get(UNCERTAINTY))
    elif isinstance(found, Mapping):
        for name, each in found.items():
            yield from figures_in(each, f"{key}.{name}" if key else name)
    elif isinstance(found, str) or (isinstance(found, int | float) and not isinstance(found, bool)):
        yield Figure(key, found, unit)
