"""The structures that Osteon can name, from structures.toml: identity, pairing, colour and plausible size."""

from __future__ import annotations

import colorsys
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, with_config

from operators.errors import ModelError
from operators.installation import bundled_models
from operators.packages.long_bones import Colour, LongBoneRules
from operators.packages.toml_files import STRICT, fault_of, validated

STRUCTURES_FILE = "structures.toml"
# The list that ships with Osteon; a models folder may add to it with a list of its own
BUNDLED = bundled_models() / STRUCTURES_FILE

Side = Literal["left", "right"]


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
    """One structure of one side: what DICOM calls it, its colour and its plausible size.

    `plausible_ml` and `plausible_mm` are the least and the greatest volume and diameter that it can have as a
    whole; nothing is said of them where empty.
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

    @property
    def side(self) -> Side | None:
        """The side that its laterality names."""
        return None if self.laterality is None else SIDES.get(self.laterality.value)


class StructureRow(BaseModel):
    """One table of structures.toml, of both sides of a paired structure."""

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

    def structure(self, name: str, side: Side | None) -> Structure:
        """The structure of one side; of a pair without a side both are meant."""
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
        )

    def beside(self, folder: Path) -> StructureRow:
        """The row with the path of its mean shape, which is relative to the folder of the list."""
        rules = self.long_bone
        if rules is None or rules.shape is None:
            return self
        return self.model_copy(update={"long_bone": replace(rules, shape=folder / rules.shape)})


Structures = Mapping[str, StructureRow]


def read_structures(models: Path | None = None) -> Structures:
    """The structures that ship with Osteon, and those of `models`, which may replace them.

    Raises ModelError where a list cannot be read or holds what is not a structure.
    """
    own = models / STRUCTURES_FILE if models else BUNDLED
    added = dict(_read(own)) if own != BUNDLED and own.is_file() else {}
    return {**_read(BUNDLED), **added}


def structure_named(structures: Structures, name: str, side: Side | None) -> Structure:
    """One of the structures. Raises ValueError where there is none of that name, or it has no sides."""
    row = structures.get(name)
    if row is None:
        raise ValueError(f"expected a structure that {STRUCTURES_FILE} names, got {name!r}; add it there")
    if side and not row.paired:
        raise ValueError(f"expected no side of {name}, which {STRUCTURES_FILE} does not call paired")
    return row.structure(name, side)


def sided(meaning: str, side: Side | None) -> str:
    """The meaning with its side before it."""
    return f"{side.capitalize()} {meaning[0].lower()}{meaning[1:]}" if side else meaning


def pale_colour(text: str) -> Colour:
    """A pale colour, the same for the same text."""
    red, green, blue = colorsys.hsv_to_rgb(zlib.crc32(text.encode()) % 360 / 360, 0.45, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def _read(path: Path) -> Structures:
    table: dict[str, Any] = {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = validated(TypeAdapter(dict[str, StructureRow]), table)
        return {name: row.beside(path.parent) for name, row in rows.items()}
    except (OSError, ValueError) as error:
        said = fault_of(error, table)
        raise ModelError(
            f"expected structures in {path.parent.name}/{path.name}, could not read them: {said}",
            code="package_unreadable",
        ) from error
