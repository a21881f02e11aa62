"""`osteon data`: imports labelled images as a data set, and checks one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from app.cli.arguments import Json
from app.cli.training_display import training_display
from operators.errors import UnreadableError

if TYPE_CHECKING:
    from training.datasets.checking import Checked
    from training.datasets.layout import Dataset

DONE = 0
# Lines of one kind that are printed; dataset.toml lists all
SHOWN = 20
NAMED = 5

data_app = App(name="data", help="Data sets of your own: import, check.")


@data_app.command(name="import")
def import_(
    source: Path,
    /,
    *,
    to: Annotated[Path, Parameter(name="--to")],
    labels: str | None = None,
    patients: Path | None = None,
    patient_pattern: str | None = None,
) -> int:
    """Make a data set of the labelled images in SOURCE, which stays as it is.

    Read are raw folders of nnU-Net; CTs (NIfTI, NRRD, MetaImage, DICOM) with masks, DICOM SEG, RTSTRUCT or
    STL surfaces; radiographs as COCO, VOC or YOLO. A case that cannot be used is reported; the others are
    imported.

    Parameters
    ----------
    source
        Folder with the images and what labels them.
    to
        New folder for the data set.
    labels
        What labels mean: a known table (ctpelvic1k, totalsegmentator), or a file in the same format.
    patients
        Table (CSV) with the columns case and patient; default: DICOM's Patient ID, else a patient each.
    patient_pattern
        Regular expression for the patient in a case's name, such as "^(p[0-9]+)_".
    """
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        from operators.importing.label_tables import named_table
        from training.datasets.importing import Wishes, import_dataset, read_patients

        table = named_table(labels) if labels else None
        known = read_patients(patients) if patients else None
        wishes = Wishes(table, known, patient_pattern, date.today().isoformat())
        dataset = import_dataset(source, to, wishes, tell)
    show_import(dataset, to)
    return DONE


@data_app.command
def check(dataset: Path, /, *, json_: Json = False) -> int:
    """Check a data set: grids, labels, copies, patients; draw it as contact_sheet.png.

    Parameters
    ----------
    dataset
        Folder of a data set.
    """
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        from training.datasets.checking import check as check_dataset
        from training.datasets.checking import statistics
        from training.datasets.contact_sheet import write_sheet
        from training.datasets.layout import read_dataset

        found = read_dataset(dataset)
        checked = check_dataset(found, tell)
        sheet = write_sheet(checked.tiles, found.folder) if checked.tiles else None
    if json_:
        content = {
            "facts": [asdict(one) for one in checked.facts],
            "remarks": [asdict(one) for one in checked.remarks],
            "structures": statistics(checked, found),
        }
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        show_check(checked, found, statistics(checked, found))
        print(f"look at {sheet}" if sheet else "no case can be drawn")
    return UnreadableError.exit_code if checked.faults else DONE


def show_import(dataset: Dataset, folder: Path) -> None:
    """Prints what was imported, and on stderr what was not."""
    tables = dataset.tables
    for each in tables.left_out[:SHOWN]:
        print(f"left out: {each.source}: {each.reason}", file=sys.stderr)
    if len(tables.left_out) > SHOWN:
        more = len(tables.left_out) - SHOWN
        print(f"left out: {more} more, listed in {folder / 'dataset.toml'}", file=sys.stderr)
    for note, count in Counter(note for case in tables.cases for note in case.notes).most_common(SHOWN):
        print(f"note: {note}" + (f" ({count} cases)" if count > 1 else ""), file=sys.stderr)
    for row in tables.structures:
        told = row.structure or "structure not known"
        fragment = f" fragment {row.fragment}" if row.fragment else ""
        print(f"  label {row.value}: {row.name}: {told}{f' {row.side}' if row.side else ''}{fragment}")
    known = {case.patient for case in tables.cases}
    patients = "patients not known" if "" in known else f"{len(known)} patients"
    print(
        f"{folder}: {len(tables.cases)} cases, {patients}, {len(tables.left_out)} left out; "
        f"check it: osteon data check {folder}"
    )


def show_check(checked: Checked, dataset: Dataset, rows: list[dict[str, Any]]) -> None:
    """Prints statistics and remarks."""
    for row in rows:
        sizes = ", ".join(f"{row[key]:.1f}" for key in ("least_ml", "median_ml", "greatest_ml") if key in row)
        found = f"in {row['cases']} cases, {sizes} ml (least, median, greatest)" if sizes else "in no case"
        print(f"label {row['value']} {row['name']}: {found}")
    steps = sorted({one.spacing_mm for one in checked.facts})
    if steps:
        ends = " to ".join(
            " x ".join(f"{mm:.3g}" for mm in each) for each in dict.fromkeys((steps[0], steps[-1]))
        )
        print(
            f"spacing {ends} mm; orientation {', '.join(sorted({one.orientation for one in checked.facts}))}"
        )
    for remark in checked.remarks:
        print(f"{remark.level}: {named(remark.cases)}{remark.text}")
    warnings = len(checked.remarks) - checked.faults
    print(f"{len(dataset.cases)} cases, {checked.faults} faults, {warnings} warnings")


def named(cases: Sequence[str]) -> str:
    """Returns the first cases that a remark is about."""
    more = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
    return f"{', '.join(cases[:NAMED])}{more}: " if cases else ""
