"""The anatomy and the data that benchmarks run on, read from `panel.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Panel:
    """Names of a package, of two model cards, and of folders and files below the data folder."""

    package: str
    outline_card: str
    fragment_card: str
    patients: str
    fracture_classes: tuple[str, ...]
    real_bone: dict[str, str]
    intact: tuple[str, ...]


PANEL = Panel(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))
