"""Writes the page of the bodies' accuracy from its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy.tables import NONE, markdown, number, percent
from benchmarks.bodies.cases import Cases
from benchmarks.kept_rows import Row, pictures_of

INTRODUCTION = """# Accuracy on whole bodies

Packages ({packages}) on simulated CTs of shapes that training never saw, unless a remark says otherwise, and
on real CTs. **Not for clinical use.** `python -m benchmarks.bodies --data DATA` writes this page; nothing
here is written by hand.

A Dice counts what any side of the structure got of a bone. "Head to the socket" is the share of the voxels in
the sphere of a bone's true head that the socket's bone got; "centre" and "radius" are the errors of the
sphere in the result. Bones smaller than 1000 voxels in the field of view are not scored.
"""
BONES = (
    "scan",
    "bone",
    "ml",
    "Dice",
    "other side",
    "no side",
    "head to the socket",
    "centre mm",
    "radius mm",
)
REAL = ("scan", "shows", "found", "not there", "missed", "pieces")


def write_page(rows: Sequence[Row], cases: Cases, pictures: Path, page: Path) -> None:
    """Writes the page; `pictures` is the folder of the real CTs' pictures."""
    bodies = [row for row in rows if "bones" in row]
    real = [row for row in rows if "found" in row]
    parts = [
        INTRODUCTION.format(packages=", ".join(cases.packages)),
        "## Mean of the bones\n",
        markdown(("structure", "bones", "Dice", "lowest", "wrong side"), means(bodies, cases)),
        "\n## Simulated CTs\n",
        markdown(BONES, bone_rows(bodies)),
        "",
        *remarks(cases, bodies),
        *warnings(bodies),
        "\n## Real CTs\n",
        "No ground truth: known is which bones each shows, and that none is broken. Pieces are invented.\n",
        markdown(REAL, real_rows(real)),
        "",
        *warnings(real),
        *pictures_of(real, {case.path: case.remark for case in cases.real}, pictures.name),
    ]
    page.write_text("\n".join(parts) + "\n", encoding="utf-8")


def means(rows: Sequence[Row], cases: Cases) -> Iterator[Sequence[str]]:
    """Yields a row for each scored structure."""
    for name in cases.scored:
        bones = [bone for row in rows for bone in row["bones"] if bone["bone"].startswith(name)]
        dice = [bone["dice"] for bone in bones]
        if dice:
            wrong = sum(bone["other_side"] > 0.05 for bone in bones)
            yield name, str(len(bones)), f"{np.mean(dice):.3f}", f"{min(dice):.3f}", str(wrong)


def bone_rows(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    """Yields a row for each bone of each simulated CT."""
    for row in rows:
        for bone in row["bones"]:
            yield (
                row["case"],
                bone["bone"],
                f"{bone['true_ml']:.0f}",
                f"{bone['dice']:.3f}",
                percent(bone["other_side"]),
                percent(bone["no_side"]),
                NONE if bone["head_to_socket"] is None else percent(bone["head_to_socket"]),
                number(bone["centre_mm"], 2),
                number(bone["radius_mm"], 2),
            )


def real_rows(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    """Yields a row for each real CT."""
    for row in rows:
        found = {name.split("_", 1)[0] for name in row["found"]}
        yield (
            row["case"],
            ", ".join(row["shows"]) or "-",
            ", ".join(row["found"]) or row["code"],
            ", ".join(sorted(found - set(row["shows"]))) or "-",
            ", ".join(sorted(set(row["shows"]) - found)) or "-",
            str(sum(count - 1 for count in row["found"].values() if count > 1)),
        )


def remarks(cases: Cases, rows: Sequence[Row]) -> Iterator[str]:
    """Yields a sentence for each case with a remark, and for each with structures that are not there."""
    run = {row["case"] for row in rows}
    yield from (f"- {one.name}: {one.remark}" for one in cases.bodies if one.remark and one.name in run)
    for row in rows:
        if row["not_there"]:
            yield f"- {row['case']}: found but not there: {', '.join(row['not_there'])}."


def warnings(rows: Sequence[Row]) -> Iterator[str]:
    """Yields the warnings of the results, such as what was left out of them."""
    for row in rows:
        yield from (f"- {row['case']}: {warning}" for warning in row["warnings"])
