"""Rows of a page, kept in a file beside it and made again where they come from other weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.accuracy.pictures import save_small
from operators.geometry.volume import CtVolume
from operators.packages.packages import ModelPackage
from operators.render.preview import draw_preview
from operators.segmentation.segmentation import Segmentation

Row = dict[str, Any]


def fingerprint(packages: Sequence[ModelPackage]) -> str:
    """Returns a short checksum of all networks of the packages."""
    sums = "".join(network.sha256 for package in packages for network in package.networks)
    return hashlib.sha256(sums.encode()).hexdigest()[:16]


class KeptRows:
    """The rows of a page by the name of their case; its pictures lie in the same folder as the rows."""

    def __init__(self, page: Path) -> None:
        self.pictures = page.with_suffix("")
        self.file = self.pictures / "rows.json"
        self.rows: dict[str, Row] = (
            json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        )

    def run(self, cases: Mapping[str, Callable[[], Row]], weights: str, only: Sequence[str]) -> None:
        """Runs the cases without a row of these weights; if there are words in `only`, those whose names have
        one, with or without a row. Writes the rows after each.
        """
        self.pictures.mkdir(parents=True, exist_ok=True)
        for name, run in cases.items():
            present = self.rows.get(name, {}).get("weights") == weights
            if not any(word in name for word in only) if only else present:
                continue
            self.rows[name] = {"case": name, "weights": weights, **run()}
            self.file.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")
            print(self.rows[name], flush=True)

    def draw(self, ct: CtVolume, made: Segmentation, name: str, work: Path) -> str:
        """Draws a result, in full size in `work` and small beside the rows; returns the picture's name."""
        work.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_preview(ct, made.label_map, made.segments)).save(work / name)
        save_small(work / name, self.pictures / name)
        return name


def pictures_of(rows: Sequence[Row], remarks: Mapping[str, str], folder: str) -> Iterator[str]:
    """Yields the picture of each case that has one, below the remark on what is wrong in it."""
    for row in (row for row in rows if row["picture"]):
        said = f"{row['case']}: {remarks.get(row['case'], '')}".removesuffix(": ")
        yield f"\n{said}\n\n![{row['case']}]({folder}/{row['picture']})"
