"""Finds the structures of structures.toml that a data set's own names mean, and numbers what is labelled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from operators.dicom.seg.seg_reader import SegmentInfo
from operators.dicom.seg.value_mapping import UNSPECIFIC
from operators.importing.label_tables import TABLES, LabelTable, plain_name, read_table
from operators.packages.structures import SIDES, Side, Structures, read_structures, structure_named
from training.datasets.layout import LabelledStructure

SIDE_WORDS: dict[str, Side] = {"left": "left", "l": "left", "right": "right", "r": "right"}
# Words that do not tell one structure from another; a number at the end is that of a fragment
FILLING = {"bone", "fragment", "frag", "part", "piece"}
NUMBER = re.compile(r"_?(\d{1,3})$")


@dataclass(frozen=True)
class Meaning:
    """A structure of structures.toml, and which side and fragment of it."""

    structure: str
    side: Side | None = None
    fragment: int | None = None


@dataclass
class Numbering:
    """The label values of a data set; a name that is new gets the next free one.

    `table` is the user's own table of labels, which is looked up first.
    """

    table: LabelTable | None = None
    rows: dict[str, LabelledStructure] = field(default_factory=dict)
    structures: Structures = field(default_factory=read_structures)

    def value_of(self, name: str, value: int | None = None, meaning: Meaning | None = None) -> int:
        """Returns the value of a name, which it gets if the name is new: `value` if that is free."""
        if name not in self.rows:
            taken = {row.value for row in self.rows.values()}
            free = value if value and value not in taken else max(taken, default=0) + 1
            self.rows[name] = self.described(name, free, value, meaning)
        return self.rows[name].value

    def described(self, name: str, value: int, own: int | None, meaning: Meaning | None) -> LabelledStructure:
        """Returns the row of a new name."""
        found = self.by_table(name, own) or meaning or meaning_of(name, self.structures)
        row = LabelledStructure(name, value)
        if found is None:
            return row
        code = structure_named(self.structures, found.structure, found.side).type
        return replace(row, structure=found.structure, side=found.side, fragment=found.fragment, code=code)

    def by_table(self, name: str, value: int | None) -> Meaning | None:
        """Returns what the user's table says of a name or, in a file without names, of a value."""
        entry = self.table and self.table.find(name, value or 0, name == unnamed(value))
        if not entry or "structure" not in entry:
            return None
        return Meaning(entry["structure"], entry.get("side"), entry.get("fragment"))


def unnamed(value: int | None) -> str:
    """Returns the name of a value in a file without names."""
    return f"value_{value}"


def meaning_of(name: str, structures: Structures) -> Meaning | None:
    """Returns the structure that a name means, of the known tables or structures.toml; else None."""
    plain = plain_name(name)
    for known in published_tables():
        entry = known.find(plain, 0, False)
        if entry and "structure" in entry:
            return Meaning(entry["structure"], entry.get("side"))
    fragment, words = None, plain
    if number := NUMBER.search(plain):
        whole = meaning_of_words(plain.split("_"), structures)
        if whole is not None:
            return whole
        fragment, words = int(number[1]), plain[: number.start()]
    found = meaning_of_words(words.split("_"), structures)
    return found and replace(found, fragment=fragment)


def meaning_of_words(words: Iterable[str], structures: Structures) -> Meaning | None:
    """Returns the structure and the side that words name in any order; None unless they name just one."""
    kept = [word for word in words if word not in FILLING]
    sides = {SIDE_WORDS[word] for word in kept if word in SIDE_WORDS}
    rest = "_".join(word for word in kept if word not in SIDE_WORDS)
    for name, row in structures.items():
        plain_meaning = "_".join(word for word in plain_name(row.meaning).split("_") if word not in FILLING)
        if rest and rest in (name.lower(), plain_meaning):
            side = next(iter(sides)) if len(sides) == 1 and row.paired else None
            return Meaning(name, side)
    return None


def meaning_of_segment(segment: SegmentInfo, structures: Structures) -> Meaning | None:
    """Returns the structure of a SEG's or RTSTRUCT's segment: by code and side, else by name."""
    code = segment.region.value
    found = meaning_of(segment.bone, structures) or meaning_of(segment.label, structures)
    for name, row in structures.items():
        if code not in UNSPECIFIC and code == row.type.value and not shares_code(name, structures):
            said = found.side if found and found.structure == name else None
            side = SIDES.get(segment.laterality.value) if segment.laterality else said
            return Meaning(name, side if row.paired else None, segment.fragment)
    return found and replace(found, fragment=segment.fragment or found.fragment)


def shares_code(name: str, structures: Structures) -> bool:
    """Returns whether another structure has the same code, such as one rib and the others."""
    return sum(row.type.value == structures[name].type.value for row in structures.values()) > 1


@cache
def published_tables() -> list[LabelTable]:
    """Returns the label tables of published models."""
    return [read_table(path) for path in sorted(TABLES.glob("*.toml"))]
