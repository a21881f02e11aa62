"""Prepares the output folder of a run: creates it, tests it, and removes the results of an earlier run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from app.run.results import RESULTS, names_in_report
from operators.dicom.elements.atomic_file import make_folder, unwritable_folder
from operators.dicom.select.selection import Candidate

REPORT = "report.json"
# The folder of one series if there are several
RESULT_FOLDER = re.compile(r"(study|series|image)-\d+")


def prepare_output(output: Path) -> None:
    """Creates the folder. Raises OutputError if results could not be written to it."""
    try:
        make_folder(output, "an output folder")
        probe = output / ".osteon-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable_folder(output, "an output folder", error) from error


def remove_former(output: Path) -> None:
    """Removes the results of an earlier run from the folder, so that none of another input remains."""
    try:
        former = json.loads((output / REPORT).read_text(encoding="utf-8"))
        rows = [row for row in former["series"] if row["result"]]
        names = [name for row in rows for name in names_in_report(row)]
        # Reports of earlier versions do not list it
        previews = [row["result"].replace("segmentation", "preview").replace(".dcm", ".png") for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name in (REPORT, *names, *previews):
        if is_result(name):
            (output / name).unlink(missing_ok=True)


def is_result(name: str) -> bool:
    """Returns whether a name in a report can be that of a result, as a report may hold any text."""
    *folders, file = Path(name).parts
    stems = tuple(row.stem for row in RESULTS.values())
    known = all(RESULT_FOLDER.fullmatch(part) or part.startswith(stems) for part in folders)
    return known and len(folders) <= 3 and file != ".." and "/" not in {*folders, file}


def result_folders(chosen: Sequence[Candidate]) -> list[str]:
    """Returns the folder of each candidate's results, relative to the output, by study and series.

    It is '' for all if only one series is read; rivals of it, read if it shows nothing, do not count.
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
