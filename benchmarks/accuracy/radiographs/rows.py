"""The rows of a run, stored as JSON with a line for each image; no pixels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from operators.dicom.elements.atomic_file import write_whole

Row = dict[str, Any]


@dataclass(frozen=True)
class RadiographRows:
    """The predictions of a package for each development image, and the results of other trainings.

    `package` is its folder's name; `weights` has the SHA-256 of each network. An image's row holds `shows`,
    the attributes in the data set, and `said`, their predicted probabilities; `score`, the log-odds of a
    fracture before calibration, and `probability`, as a run states it. `detections` are decoded with a
    decoding fitted on other images; None where the fractured pixels are unknown. `findings` are those that
    a run shows. `doubtful` has a row for each group of images that a run should flag, or should not.
    """

    package: str
    weights: dict[str, str]
    made_on: str
    attributes: list[str]
    body_parts: list[str]
    views: list[str]
    operating_points: dict[str, float]
    margin: float
    fitted_on: str
    images: list[Row]
    cross_validation: dict[str, Any] | None = None
    baseline: dict[str, Any] | None = None
    doubtful: list[Row] = field(default_factory=list)


def read_rows(path: Path) -> RadiographRows | None:
    """Reads the rows of an earlier run; None where there are none."""
    return RadiographRows(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write_rows(rows: RadiographRows, path: Path) -> None:
    """Writes the rows, whole or not at all."""
    content = asdict(rows)
    images = ",\n".join(json.dumps(row) for row in content.pop("images"))
    head = json.dumps(content, indent=1).removesuffix("\n}")
    write_whole(path, lambda file: file.write(f'{head},\n "images": [\n{images}\n]\n}}\n'.encode()))
