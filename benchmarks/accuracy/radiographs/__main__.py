"""Measures the radiograph package and writes docs/radiograph-accuracy.md, its plots, and the card's metrics.

    python -m benchmarks.accuracy.radiographs [--data DATA] [--cross-validation FILE] [--baseline RUNS]

The package is the one of its kind in models/, and reads the development images of DATA/radiographs. Their
rows are kept in docs/radiograph-accuracy/rows.json; a contact sheet, which shows images, goes to out/. FILE
is the cross-validation.json of `osteon train --folds`, RUNS the folder of a finished ResNet-18; both are
kept with the rows. Without --data nothing is run, and the documents are written from the existing rows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.radiographs.document import write_card, write_document
from benchmarks.accuracy.radiographs.measuring import baseline_metrics, measure
from benchmarks.accuracy.radiographs.rows import RadiographRows, read_rows, write_rows
from operators.errors import UsageError
from training.command_line import run

PAGE, MODELS = Path("docs/radiograph-accuracy.md"), Path("models")
SHEET = Path("out/accuracy/radiographs/contact-sheet.png")


def main(
    *, data: Path | None = None, cross_validation: Path | None = None, baseline: Path | None = None
) -> None:
    """Runs the package, then writes the documents."""
    path = PAGE.with_suffix("") / "rows.json"
    known = read_rows(path)
    rows = known if data is None else measure(data / "radiographs", MODELS, SHEET, known)
    if rows is not None:
        rows = compared(rows, cross_validation, baseline)
        write_rows(rows, path)
        write_card(rows, MODELS / rows.package / "MODEL_CARD.md")
    elif cross_validation or baseline:
        raise UsageError("expected --data, as nothing has been measured yet")
    write_document(rows, PAGE)


def compared(rows: RadiographRows, cross_validation: Path | None, baseline: Path | None) -> RadiographRows:
    """Returns the rows beside the results of other trainings; those that are not given stay."""
    if cross_validation is not None:
        content = json.loads(cross_validation.read_text(encoding="utf-8"))
        rows = replace(rows, cross_validation=content)
    return rows if baseline is None else replace(rows, baseline=baseline_metrics(baseline))


if __name__ == "__main__":
    run(main, __doc__)
