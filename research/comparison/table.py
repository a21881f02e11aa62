"""Writes the comparison's table in docs/training.md from the variants' result files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from operators.dicom.elements.atomic_file import write_whole

HEAD = (
    "| variant | threshold | real fractures, IoU | simulated ones, IoU | false fragments on intact bones "
    "| pieces found / true, of broken bones |\n| --- | --- | --- | --- | --- | --- |"
)


def put_table(page: Path, name: str, rows: list[str]) -> None:
    """Puts rows between the page's markers of that name; leaves the rest as it is."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    text = f"{before}{begin}\n" + "\n".join(rows) + f"\n{end}{rest.split(end)[1]}"
    write_whole(page, lambda file: file.write(text.encode()))


def table_row(result: dict[str, Any]) -> str:
    """Formats a variant's row: real fractures one by one, the others as means."""
    by_kind: dict[str, list[dict[str, Any]]] = {"real": [], "simulated": [], "intact": []}
    for score in result["scores"]:
        by_kind[score["kind"]].append(score)
    real = ", ".join(f"{score['patient'][-3:]}: {score['iou']:.3f}" for score in by_kind["real"])
    simulated = np.mean([score["iou"] for score in by_kind["simulated"]])
    false = sum(score["found"] - 1 for score in by_kind["intact"])
    broken = by_kind["real"] + by_kind["simulated"]
    found, true = (sum(score[key] for score in broken) for key in ("found", "fragments"))
    name, threshold = result["variant"]["name"], result.get("threshold", "")
    return (
        f"| {name} | {threshold} | {real} | {simulated:.3f} ({len(by_kind['simulated'])}) "
        f"| {false} on {len(by_kind['intact'])} | {found} / {true} |"
    )
