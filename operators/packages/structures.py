"""The structures that Osteon can name, from structures.toml: identity, pairing, colour and plausible size."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, with_config

from operators.packages.long_bones import Colour, LongBoneRules
from operators.packages.toml_files import STRICT, Tables, read_toml, validated
from operators.process.installation import bundled_models

STRUCTURES_FILE = "structures.toml"
# The list that ships with Osteon; a models folder may extend it with its own list
BUNDLED = bundled_models() / STRUCTURES_FILE
Share = Annotated[float, Field(ge=0, lt=1)]

Side = Literal["left", "right"]


@with_config(STRICT)
@dataclass(frozen=True)
class PlaceRules:
    """The places on a bone by the words that people read: the surface belongs to the nearest landmark.

    `shape` is a mean shape beside structures.toml; `landmarks_mm` are positions in its frame.
    """

    shape: Path
    landmarks_mm: dict[str, tuple[tuple[float, float, float], ...]]


@with_config(STRICT)
@dataclass(frozen=True)
class Code:
    """A coded concept (PS3.3 8.8): value, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


# PS3.16 CID 7150 and CID 244
ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
LATERALITY: dict[Side, Code] = {
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
}
SIDES: dict[str, Side] = {code.value: side for side, code in LATERALITY.items()}


@dataclass(frozen=True)
class Structure:
    """A structure of one side: its codes, its colour and its plausible size.

    `plausible_ml` and `plausible_mm` are the range of volume and of diameter of the whole structure; empty
    if they are unknown. `region` is where it lies, if its type says too little. `vertebral_body`: it has a
    body whose heights are measured.
    """

    name: str
    meaning: str
    category: Code
    type: Code
    laterality: Code | None
    rgb: Colour
    plausible_ml: tuple[float, ...] = ()
    plausible_mm: tuple[float, ...] = ()
    long_bone: LongBoneRules | None = None
    places: PlaceRules | None = None
    vertebral_body: bool = False
    region: Code | None = None

    @property
    def side(self) -> Side | None:
        """The side that its laterality names."""
        return None if self.laterality is None else SIDES.get(self.laterality.value)


class StructureRow(BaseModel):
    """A table of structures.toml; it describes both sides of a paired structure."""

    model_config = STRICT

    meaning: str
    type: Code
    category: Code = field(default=ANATOMY)
    paired: bool = False
    rgb: Colour | None = None
    rgb_left: Colour | None = None
    rgb_right: Colour | None = None
    plausible_ml: tuple[float, float] | tuple[()] = ()
    plausible_mm: tuple[float, float] | tuple[()] = ()
    long_bone: LongBoneRules | None = None
    places: PlaceRules | None = None
    vertebral_body: bool = False
    region: Code | None = None

    def structure(self, name: str, side: Side | None) -> Structure:
        """Returns the structure of one side; without a side, a paired structure means both."""
        colours = {"left": self.rgb_left, "right": self.rgb_right, None: self.rgb}
        return Structure(
            name=f"{name}_{side}" if side else name,
            meaning=sided(self.meaning, side),
            category=self.category,
            type=self.type,
            laterality=LATERALITY[side] if side else None,
            rgb=colours[side] or self.rgb or pale_colour(f"{name}_{side}"),
            plausible_ml=self.plausible_ml,
            plausible_mm=self.plausible_mm,
            long_bone=self.long_bone,
            places=self.places,
            vertebral_body=self.vertebral_body,
            region=self.region,
        )

    def beside(self, folder: Path) -> StructureRow:
        """Returns the row with the paths of its mean shapes, which are relative to the folder of the list."""
        rules = {"long_bone": self.long_bone, "places": self.places}
        placed = {
            name: replace(each, shape=folder / each.shape)
            for name, each in rules.items()
            if each and each.shape
        }
        return self.model_copy(update=placed)


Structures = Mapping[str, StructureRow]


def read_structures(models: Path | None = None) -> Structures:
    """Returns the structures that ship with Osteon, and those of `models`, which may replace them.

    Raises ModelError where a list cannot be read or holds what is not a structure.
    """
    own = models / STRUCTURES_FILE if models else BUNDLED
    added = dict(_read(own)) if own != BUNDLED and own.is_file() else {}
    return {**_read(BUNDLED), **added}


def structure_named(structures: Structures, name: str, side: Side | None) -> Structure:
    """Returns the structure of that name and side. Raises ValueError if there is none."""
    row = structures.get(name)
    if row is None:
        raise ValueError(f"expected a structure listed in {STRUCTURES_FILE}, got {name!r}; add it there")
    if side and not row.paired:
        raise ValueError(f"expected no side of {name}, which is not paired in {STRUCTURES_FILE}")
    return row.structure(name, side)


def sided(meaning: str, side: Side | None) -> str:
    """Returns the meaning, preceded by its side."""
    return f"{side.capitalize()} {meaning[0].lower()}{meaning[1:]}" if side else meaning


def pale_colour(text: str) -> Colour:
    """Returns a pale colour, a function of the text."""
    red, green, blue = colorsys.hsv_to_rgb(zlib.crc32(text.encode()) % 360 / 360, 0.45, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def _read(path: Path) -> Structures:
    return read_toml(path, partial(rows_beside, path.parent), "a list of structures", "package_unreadable")


def rows_beside(folder: Path, table: Tables) -> Structures:
    """Returns the rows of a parsed list in a folder."""
    rows = validated(TypeAdapter(dict[str, StructureRow]), table)
    return {name: row.beside(folder) for name, row in rows.items()}
