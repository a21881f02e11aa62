"""Prints a Markdown table of Osteon's results for suitable, doubtful and unsuitable radiographs.

    python -m benchmarks.dicom.radiograph_inputs --models MODELS [--image IMAGE] [--ct FOLDER] [--keep FOLDER]
                                                 [--only TEXT] [--write]

The inputs are those of tests/support/radiographs/radiograph_inputs.py, derived from one radiograph and one
CT, which are synthetic by default. `--keep` is a folder in which inputs and results stay; `--write` writes
the table into docs/reading.md.
"""

from __future__ import annotations

import logging
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from PIL import Image

from app.run.folder import RunOutcome, run_folder
from app.run.record import SeriesRecord
from app.run.series_job import Graph, graph_of
from app.run.stage_clock import silent
from app.settings import Settings, read_settings
from benchmarks.accuracy.cards import with_block
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import OsteonError
from operators.packages.confidence import percent
from tests.support.radiographs.radiograph_inputs import INPUTS, Sources, write_input
from training.command_line import run

PAGE = Path("docs/reading.md")
HEADING = "| input | code | result |\n| --- | --- | --- |"


def main(
    *,
    models: Path,
    image: Path | None = None,
    ct: Path | None = None,
    keep: Path | None = None,
    only: str = "",
    write: bool = False,
) -> None:
    """Prints the table, a row as soon as it is known.

    `image` is a radiograph as PNG or JPEG, `ct` the folder of one CT series of a chest; `only` is a text that
    names of inputs contain.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sources = read_sources(image, ct)
    settings, lines = read_settings(models=models), [HEADING]
    graph = graph_of(settings)
    print(HEADING)
    with tempfile.TemporaryDirectory() as temporary:
        place = keep or Path(temporary)
        for number, name in enumerate(INPUTS):
            if only in name:
                folder = place / f"{number:02d}"
                given = write_input(name, folder / "in", sources)
                code, said = outcome(given, folder / "out", settings, graph)
                lines.append(f"| {name} | {code} | {said.replace('|', '/')} |")
                print(lines[-1], flush=True)
    if write:
        block = f"Written by `python -m benchmarks.dicom.radiograph_inputs`.\n\n{chr(10).join(lines)}"
        PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), block), encoding="utf-8")


def read_sources(image: Path | None, ct: Path | None) -> Sources:
    """Returns the images from which the inputs are derived."""
    given: dict[str, Any] = {}
    if image is not None:
        given["grey"] = np.asarray(Image.open(image).convert("L"))
    if ct is not None:
        (series,) = scan(ct).series
        volume = read_volume(series)
        across, _, along = volume.grid.spacing_mm
        given |= {"ct": np.rint(volume.hu.T).astype(np.int16)[::-1], "slice_pixels": along / across}
    return Sources(**given)


def outcome(given: Path, output: Path, settings: Settings, graph: Graph) -> tuple[int, str]:
    """Returns exit code and sentences of a run over the input `given`."""
    try:
        done = run_folder(given, output, settings, None, datetime.now().astimezone(), silent, graph)
    except OsteonError as error:
        return error.exit_code, f"{error.code}: {error}"
    return done.exit_code, "<br>".join(sentences(done))


def sentences(done: RunOutcome) -> list[str]:
    """Returns what became of each series and each file that cannot be read."""
    others = [f"{file.code}: {file.reason}" for file in done.unreadable]
    return [sentence(record) for record in done.series] + others


def sentence(record: SeriesRecord) -> str:
    """Verdict, body part and flags of an answer, or the reason why there is none."""
    made = record.segmentation
    if made is None or made.answer is None:
        return f"{record.code}: {record.sentence}"
    answer = made.answer
    flags = ", ".join(flag.code for flag in made.flags)
    return (
        f"{answer.verdict.value} ({percent(answer.probability)}, {len(answer.findings)} outlined); "
        f"{answer.body_part.name}, {answer.view.name}; flags: {flags or 'none'}"
    )


if __name__ == "__main__":
    run(main, __doc__)
