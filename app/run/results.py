"""The table RESULTS: every kind of file that a run can write for a series, and how each is checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import ResultName, check_result, unlike
from operators.segmentation.segmentation import Segmentation

if TYPE_CHECKING:
    from operators.results.image_kinds import ImageKind

SEG, SR, PICTURES, TURNTABLE, KEY_OBJECTS = "seg", "sr", "sc", "turntable", "kos"
SUMMARY, PDF, TEXT = "summary", "pdf", "text"
LABEL_MAP, RTSTRUCT, PREVIEW, FILES, PAGE = "labelmap", "rtstruct", "preview", "files", "page"
REPORT = "report"
NIFTI, NAMES, MASK = "nifti", "names", "mask"


@dataclass(frozen=True, eq=False)
class Written:
    """A written file, its segmentation and series, and the name of the SEG that it refers to, if any."""

    path: Path
    segmentation: Segmentation
    series: Series
    seg: ResultName | None = None


@dataclass(frozen=True)
class Result:
    """A kind of result: the stem of its file, or the name of its folder if there is no `suffix`.

    `is_sent`: whether a destination may request it; `check` reads it back before it is sent.
    """

    stem: str
    suffix: str
    is_sent: bool = False
    check: Callable[[Written], ResultName] | None = None

    @property
    def name(self) -> str:
        """The name of its file or folder if a run writes only one."""
        return f"{self.stem}{self.suffix}"


def _kind(written: Written) -> ImageKind:
    # The writers take longer to import than the table, and most users of the table check nothing
    from operators.results.image_kinds import kind_of

    return kind_of(written.segmentation)


def _seg(written: Written) -> ResultName:
    return _kind(written).check_seg(written.path, written.segmentation, written.series)


def _report(written: Written) -> ResultName:
    seg = written.seg.sop_instance_uid if written.seg else None
    return _kind(written).check_report(written.path, seg, written.series)


def _picture(written: Written) -> ResultName:
    return _kind(written).check_picture(written.path, written.series)


def _pdf(written: Written) -> ResultName:
    from operators.dicom.capture.summary_page import check_pdf

    return check_pdf(written.path, written.series)


def _report_file(written: Written) -> ResultName:
    """Checks that report.json can be read and is of the study; it has no UIDs, as it is no DICOM object."""
    try:
        (row,) = json.loads(written.path.read_bytes())["series"]
        uids = row["study_instance_uid"], row["series_instance_uid"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unlike("a report that can be read back", "one that cannot") from error
    if uids != (written.series.study_instance_uid, written.series.series_instance_uid):
        raise unlike("the study and series of the source", "others")
    return ResultName("", "", "")


def _other(written: Written) -> ResultName:
    return check_result(written.path, written.series)


# By kind, in the order in which they are sent: a file is sent after those that it refers to
RESULTS: dict[str, Result] = {
    SEG: Result("segmentation", ".dcm", True, _seg),
    SR: Result("measurements", ".dcm", True, _report),
    SUMMARY: Result("summary", ".dcm", True, _picture),
    PDF: Result("summary-pdf", ".dcm", True, _pdf),
    TEXT: Result("text-report", ".dcm", True, _other),
    PICTURES: Result("pictures", "", True, _picture),
    TURNTABLE: Result("turntable", "", True, _picture),
    KEY_OBJECTS: Result("key-objects", ".dcm", True, _other),
    LABEL_MAP: Result("labelmap", ".dcm", True, _seg),
    RTSTRUCT: Result("structures", ".dcm", True, _other),
    # From which messages by HL7 v2 and FHIR are made
    REPORT: Result("report", ".json", True, _report_file),
    PREVIEW: Result("preview", ".png"),
    FILES: Result("files", ""),
    PAGE: Result("report", ".html"),
    # For an image that is not DICOM, instead of the SEG, with a table of the values' names
    NIFTI: Result("segmentation", ".nii.gz"),
    NAMES: Result("segmentation", ".tsv"),
    # For a radiograph that is not DICOM: the label values at the image's own size
    MASK: Result("mask", ".png"),
}
# Made for every series; the others on request
ALWAYS = (SEG, SR, PICTURES, KEY_OBJECTS, PREVIEW)
# Fallback encodings, for a PACS that rejects SEG
FALLBACKS = (LABEL_MAP, RTSTRUCT)

# Kind and names, relative to the output folder
Names = dict[str, tuple[str, ...]]


def names_of(kinds: Iterable[str], output: Path, name_of: Callable[[str], str]) -> Names:
    """Returns the files that exist below `output` by kind; `name_of` names the file or folder of a kind."""
    found: Names = {}
    for kind in kinds:
        path = output / name_of(kind)
        files = sorted(each for each in path.glob("*") if each.is_file()) if path.is_dir() else [path]
        names = tuple(each.relative_to(output).as_posix() for each in files if each.is_file())
        if names:
            found[kind] = names
    return found


def names_in_report(row: dict[str, Any]) -> list[str]:
    """Returns all files that a series' row of report.json lists."""
    single = [row.get(key) for key in ("result", "measurements", "page", "preview")]
    folders = [name for key in ("files", "pictures", "turntable") for name in row.get(key) or ()]
    return [str(name) for name in (*single, *folders, *(row.get("others") or {}).values()) if name]
