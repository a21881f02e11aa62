"""The folder that a run writes to: made, tried, and cleared of what a former run left there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from app.run.results import RESULTS, names_in_report
from operators.dicom.elements.atomic_file import make_folder, unwritable_folder
from operators.dicom.select.selection import Candidate

REPORT = "report.json"
# Of one series where there are several
RESULT_FOLDER = re.compile(r"(study|series|image)-\d+")


def prepare_output(output: Path) -> None:
    """Makes the folder. Raises OutputError where results could not be written to it."""
    try:
        make_folder(output, "an output folder")
        probe = output / ".osteon-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable_folder(output, "an output folder", error) from error


def remove_former(output: Path) -> None:
    """Removes what a former run left in the same folder, so that no result of another input stays there."""
    try:
        former = json.loads((output / REPORT).read_text(encoding="utf-8"))
        rows = [row for row in former["series"] if row["result"]]
        names = [name for row in rows for name in names_in_report(row)]
        # Reports of former versions do not name it
        previews = [row["result"].replace("segmentation", "preview").replace(".dcm", ".png") for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name in (REPORT, *names, *previews):
        if is_result(name):
            (output / name).unlink(missing_ok=True)


def is_result(name: str) -> bool:
    """Whether a name that a report gives can be that of a result: a report may say anything."""
    *folders, file = Path(name).parts
    stems = tuple(row.stem for row in RESULTS.values())
    known = all(RESULT_FOLDER.fullmatch(part) or part.startswith(stems) for part in folders)
    return known and len(folders) <= 3 and file != ".." and "/" not in {*folders, file}


def result_folders(chosen: Sequence[Candidate]) -> list[str]:
    """The folder below the output of each candidate's results, by study and series.

    '' for all where one series is read, but for rivals, which are read where a better one shows nothing.
    """
    first = {id(each.selection.series) for each in chosen if not each.better}
    if len(first) < 2:
        return [""] * len(chosen)
    studies: dict[str, list[int]] = {}
    for each in chosen:
        of_study = studies.setdefault(each.selection.series.study_instance_uid, [])
        if id(each.selection.series) not in of_study:
            of_study.append(id(each.selection.series))
    folders = []
    for each in chosen:
        uid = each.selection.series.study_instance_uid
        study = f"study-{list(studies).index(uid) + 1}/" if len(studies) > 1 else ""
        folders.append(f"{study}series-{studies[uid].index(id(each.selection.series)) + 1}/")
    return folders
