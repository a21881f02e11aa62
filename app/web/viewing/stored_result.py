"""The stored result of one series: its files, its report, and the series that it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from app.node.queue.job import correction_folder, job_folder
from app.node.queue.jobs.job_log import KEY_OBJECTS, SEG, SeriesOutcome
from app.run.output_folder import REPORT
from operators.dicom.headers.series import Series
from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_files import referenced_instances
from operators.errors import UnreadableError


@dataclass(frozen=True)
class StoredResult:
    """The result of one series of a job; `number` is its place among the job's series.

    `corrected` is the SOP instance UID of a corrected SEG that is shown in place of the result's own; '' for
    the result as it was made.
    """

    data: Path
    job_id: str
    number: int
    outcome: SeriesOutcome
    corrected: str = ""

    @property
    def input(self) -> Path:
        """Returns the folder of the job's images, with a folder for each series."""
        return job_folder(self.data, self.job_id).input

    def path(self, kind: str) -> Path | None:
        """Returns the first result of a kind, None if there is none."""
        output = job_folder(self.data, self.job_id).output
        paths = (output / file for file in self.outcome.of_kind(kind))
        return next((path for path in paths if path.is_file()), None)

    @property
    def seg(self) -> Path | None:
        """Returns the SEG; a radiograph without findings has none."""
        if self.corrected:
            return job_folder(self.data, self.job_id).edits / f"{self.corrected}.dcm"
        return self.path(SEG)

    @property
    def key_objects(self) -> Path | None:
        """Returns the selection of key slices, which only a fracture has."""
        return None if self.corrected else self.path(KEY_OBJECTS)

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """Returns the series' part of the report; {} for a result of an earlier version, and for a corrected
        SEG until it is measured, which it is to be sent.
        """
        output = job_folder(self.data, self.job_id).output
        name = f"{correction_folder(self.corrected)}{REPORT}" if self.corrected else self.outcome.report
        with suppress(OSError, ValueError, LookupError):
            content = json.loads((output / (name or "none")).read_text(encoding="utf-8"))
            series: Mapping[str, Any] = content["series"][0]
            return series
        return {}


def read_series(result: StoredResult) -> Series:
    """Reads the headers of the images that a result was made from. Raises UnreadableError."""
    instances = referenced_instances(result.seg) if result.seg else frozenset[str]()
    own = result.input / result.outcome.series_instance_uid
    # A scan that was sent as several series is in several folders
    has_all = {f"{uid}.dcm" for uid in instances} <= {path.name for path in own.glob("*.dcm")}
    found = scan(own if has_all and own.is_dir() else result.input).series
    part, uid = result.report.get("part", ""), result.outcome.series_instance_uid
    fitting = [each for each in found if each.series_instance_uid == uid and each.part == part]
    shown = [each for each in found if instances & {frame.sop_instance_uid for frame in each.frames}]
    chosen = next((each for each in fitting if each in shown or not instances), None)
    series = chosen or next(iter(shown or fitting), None)
    if series is None:
        raise UnreadableError("expected the images that the result was made from, found none")
    return series
