"""Runs the comparison of training variants in docs/training.md.

    python -m research.comparison --package MODELS/PACKAGE --data DATA [--runs runs/comparison]

Trains and evaluates every variant without a result, and writes the tables; running it again resumes it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from research.comparison.encodings import ENCODINGS
from research.comparison.scoring import reading, score
from research.comparison.short_run import Place, train
from research.comparison.table import HEAD, put_table, size_rows, table_row
from research.comparison.variants import STEPS, Variant, network_recipe, variants
from research.comparison.yardstick import test_bones, tuning_bones
from training.command_line import run
from training.recipe import read_recipe


def main(
    *,
    package: Path,
    data: Path,
    runs: Path = Path("runs/comparison"),
    page: Path = Path("docs/training.md"),
    tables: bool = False,
) -> None:
    """Runs the missing variants unless only `tables` are wanted, and writes the tables of the results.

    `package` is a package's folder with a training.toml.
    """
    torch.set_num_threads(1)
    place = Place(read_recipe(package / "training.toml"), data, runs)
    wanted = variants(place.recipe)
    for variant in [] if tables else wanted:
        result = place.folder / f"{variant.file}.json"
        if not result.exists():
            result.write_text(json.dumps(measured(variant, place), indent=1), encoding="utf-8")
            print(f"{variant.name}: measured", flush=True)
    write_tables(page, place, wanted)


def write_tables(page: Path, place: Place, wanted: list[Variant]) -> None:
    """Writes the tables of the results so far and of network sizes."""
    results = [place.folder / f"{variant.file}.json" for variant in wanted]
    read = [json.loads(file.read_text(encoding="utf-8")) for file in results if file.exists()]
    whole = [score(bone, bone.outline.astype(np.uint16)) for bone in test_bones(place)]
    unseparated = {"variant": {"name": "bones left whole"}, "scores": [asdict(one) for one in whole]}
    put_table(page, "comparison", [HEAD, *map(table_row, [unseparated, *read])])
    network = network_recipe(wanted[0], place.recipe, ENCODINGS["contact"].classes)
    put_table(page, "sizes", list(size_rows(network)))


def measured(variant: Variant, place: Place) -> dict[str, object]:
    """Trains and evaluates a variant; returns its entry of the table."""
    model = train(variant, place)
    network = network_recipe(variant, place.recipe, ENCODINGS[variant.encoding].classes)
    bones = [bone for bone in test_bones(place) if bone.patient not in variant.real]
    began = time.monotonic()
    found = reading(model, network, tuning_bones(place), bones)
    return {
        "variant": asdict(variant),
        "steps": STEPS,
        "reading_s": round(time.monotonic() - began, 1),
        **asdict(found),
    }


if __name__ == "__main__":
    run(main, __doc__)
