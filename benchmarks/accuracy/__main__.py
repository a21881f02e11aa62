"""Runs the accuracy panel and writes docs/accuracy.md, its plots and pictures, and the model cards' metrics.

    python -m benchmarks.accuracy [--data DATA [--held-out 001=MODELS 002=MODELS] [--groups GROUP ...]]

DATA holds real fractured bones of patients, masked out of their CTs; DATA/../tools/semi_real_ct.py sets them
into a synthetic body. The shipped networks were trained on two of the three patients; for those, --held-out
names model folders (copies of models/ with other weights) whose networks never saw them. A case is run unless
its row in docs/accuracy/rows comes from the same weights and program, so an interrupted run resumes. Without
--data nothing is run, and the documents are written from the existing rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from benchmarks.accuracy.cards import write_cards
from benchmarks.accuracy.document import write_document
from benchmarks.accuracy.measuring import measure, shipped
from benchmarks.accuracy.rows import read_rows
from training.command_line import MANY, run

PAGE, MODELS, WORK = Path("docs/accuracy.md"), Path("models"), Path("out/accuracy")
ROWS = PAGE.with_suffix("") / "rows"


def main(
    *,
    data: Path | None = None,
    held_out: Annotated[tuple[str, ...], MANY] = (),
    groups: Annotated[tuple[str, ...], MANY] = (),
) -> None:
    """Runs the panel, or some groups, then writes the documents; `held_out` are pairs PATIENT=MODELS."""
    rows = read_rows(ROWS)
    if data is not None:
        folders = dict(pair.split("=", 1) for pair in held_out)
        measure(data, MODELS, {name: Path(folder) for name, folder in folders.items()}, WORK, rows, groups)
    least = shipped(MODELS).accepts.minimum_probability
    write_document(rows, least, WORK / "pictures", PAGE)
    write_cards(rows, MODELS)


if __name__ == "__main__":
    run(main, __doc__)
