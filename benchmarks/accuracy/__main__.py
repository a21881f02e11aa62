"""Runs the panel and writes docs/accuracy.md, its plots and pictures, and the model cards' figures.

    python -m benchmarks.accuracy [--data DATA [--held-out 001=MODELS 002=MODELS]]

The patients' folder of DATA holds real fractured bones, masked; DATA/../tools/semi_real_ct.py sets them
into a made-up body. The shipped networks saw two of the three patients: for those, --held-out names models
folders (a copy of models/ with other weights) whose networks never saw them. A case is run where its row in
docs/accuracy/rows was made by other weights or another program; a run that was killed goes on where
it was. Without --data nothing is run: the documents are written anew from the rows that are there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.accuracy.cards import write_cards
from benchmarks.accuracy.document import write_document
from benchmarks.accuracy.measuring import measure, shipped
from benchmarks.accuracy.rows import read_rows

PAGE, MODELS, WORK = Path("docs/accuracy.md"), Path("models"), Path("out/accuracy")
ROWS = PAGE.with_suffix("") / "rows"


def main() -> None:
    """Measures, then writes."""
    arguments = parsed()
    rows = read_rows(ROWS)
    if arguments.data is not None:
        pairs = (pair.split("=", 1) for pair in arguments.held_out)
        measure(arguments.data, MODELS, {name: Path(folder) for name, folder in pairs}, WORK, rows)
    least = shipped(MODELS).accepts.minimum_probability
    write_document(rows, least, WORK / "pictures", PAGE)
    write_cards(rows, MODELS)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--held-out", nargs="*", default=[], metavar="PATIENT=MODELS")
    return parser.parse_args()


if __name__ == "__main__":
    main()
