"""Runs the accuracy panel and writes docs/accuracy.md, its plots and pictures, and the model cards' metrics.

    python -m benchmarks.accuracy [--data DATA [--held-out 001=MODELS 002=MODELS] [--groups GROUP ...]]

DATA holds real fractured bones of patients, masked out of their CTs; DATA/../tools/semi_real_ct.py sets them
into a synthetic body. The shipped networks were trained on two of the three patients; for those, --held-out
names model folders (copies of models/ with other weights) whose networks never saw them. A case is run unless
its row in docs/accuracy/rows comes from the same weights and program, so an interrupted run resumes. Without
--data nothing is run, and the documents are written from the existing rows.
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
    """Runs the panel, then writes the documents."""
    arguments = parsed()
    rows = read_rows(ROWS)
    if arguments.data is not None:
        pairs = (pair.split("=", 1) for pair in arguments.held_out)
        measure(
            arguments.data,
            MODELS,
            {name: Path(folder) for name, folder in pairs},
            WORK,
            rows,
            arguments.groups,
        )
    least = shipped(MODELS).accepts.minimum_probability
    write_document(rows, least, WORK / "pictures", PAGE)
    write_cards(rows, MODELS)


def parsed() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--held-out", nargs="*", default=[], metavar="PATIENT=MODELS")
    parser.add_argument("--groups", nargs="*", default=[], help="measure these groups of cases only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
