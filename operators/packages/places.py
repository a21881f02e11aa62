"""What structures.toml says of the places on a bone: landmarks on its mean shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import with_config

from operators.packages.toml_files import STRICT


@with_config(STRICT)
@dataclass(frozen=True)
class PlaceRules:
    """The places on a bone by the words that people read: the surface belongs to the nearest landmark.

    `shape` is a mean shape beside structures.toml; `landmarks_mm` are positions in its frame.
    """

    shape: Path
    landmarks_mm: dict[str, tuple[tuple[float, float, float], ...]]
