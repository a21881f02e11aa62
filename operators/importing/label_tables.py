"""The meanings of a published model's classes: looked up in tables, or left to be filled in."""

from __future__ import annotations

import colorsys
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from operators.errors import UsageError, reason
from operators.packages.structures import ANATOMY, LATERALITY, read_structures, structure_named

TABLES = Path(__file__).with_name("labels")
EMPTY = {"value": "", "scheme": "SCT", "meaning": ""}
# SegmentLabel is LO (PS3.5 6.2)
LONGEST = 64
GOLDEN = 0.618


@dataclass(frozen=True)
class LabelTable:
    """Entries by name; `orientation` is how the images of the models lay that use these names."""

    title: str
    orientation: str
    entries: Mapping[str, dict[str, Any]]

    def find(self, name: str, value: int, by_value: bool) -> dict[str, Any] | None:
        """The entry of a class: by its name or an alias, or by its value where names say nothing."""
        bare = plain_name(name)
        for known, entry in self.entries.items():
            names = {plain_name(each) for each in (known, *entry.get("aliases", ()))}
            if bare in names or (by_value and entry.get("value") == value):
                return {"name": known, **entry}
        return None


def plain_name(name: str) -> str:
    """Small letters and digits, joined by single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def read_table(path: Path) -> LabelTable:
    """One table. Raises UsageError where it is none."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = dict(table["labels"])
        for entry in entries.values():
            row_of("", 1, entry)
            span_of(entry)
        return LabelTable(str(table.get("title", path.stem)), str(table.get("orientation", "LPS")), entries)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"expected a table of labels in {path.name}, could not read it: {reason(error)}"
        ) from error


def named_table(wanted: str) -> LabelTable:
    """A known table by its name, or a file's. Raises UsageError."""
    known = {path.stem: path for path in TABLES.glob("*.toml")}
    path = known.get(wanted.lower(), Path(wanted))
    if not path.is_file():
        raise UsageError(f"expected a table of labels ({', '.join(sorted(known))}) or a file, got {wanted}")
    return read_table(path)


def best_table(values: Mapping[str, int]) -> LabelTable:
    """The known table that has most of these names."""
    tables = [read_table(path) for path in sorted(TABLES.glob("*.toml"))]

    def hits(table: LabelTable) -> int:
        return sum(table.find(name, value, False) is not None for name, value in values.items())

    return max(tables, key=hits)


def label_rows(values: Mapping[str, int], table: LabelTable, by_value: bool) -> list[dict[str, Any]]:
    """[[labels]] of package.toml for what a model writes; without a code where the table has none."""
    rows = []
    for name, value in values.items():
        unknown: dict[str, Any] = {"name": plain_name(name), "meaning": name, "type": EMPTY}
        entry = table.find(name, value, by_value) or unknown
        rows.append(row_of(entry["name"], value, entry))
    return rows


def with_fragments(rows: list[dict[str, Any]], table: LabelTable) -> list[dict[str, Any]]:
    """Adds the values of each bone's fragments to the rows; a bone that has none in the table has one.

    Raises UsageError where no bone is to be split.
    """
    spans = {row["name"]: span_of(table.entries.get(row["name"], {})) for row in rows}
    taken = [value for span in spans.values() for value in span]
    if not taken:
        raise UsageError(
            "expected a table of labels that says which bones have fragments (fragments = [first, last]), "
            f"{table.title} has none of {', '.join(spans)}; give one by --labels"
        )
    free = count(max(taken) + 1)
    return [row | {"fragments": spans[row["name"]] or [next(free)] * 2} for row in rows]


def span_of(entry: Mapping[str, Any]) -> list[int]:
    """The first and the last value of a bone's fragments; nothing for one that is not split."""
    if "fragments" not in entry:
        return []
    first, last = entry["fragments"]
    return [int(first), int(last)]


def row_of(name: str, value: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One row: a structure of structures.toml, or what the entry says of its own.

    Raises ValueError for a structure that is not known.
    """
    if "structure" in entry:
        side = entry.get("side")
        structure_named(read_structures(), entry["structure"], side)
        own = {"structure": entry["structure"], **({"side": side} if side else {})}
        return {"name": name, **own, "value": value}
    meaning = "".join(each for each in entry["meaning"] if each.isprintable() and each != "\\")
    code = {key: str(entry["type"][key]) for key in ("value", "scheme", "meaning")}
    laterality = {"laterality": asdict(LATERALITY[entry["side"]])} if "side" in entry else {}
    return {
        "name": name,
        "meaning": meaning[:LONGEST] or name,
        "value": value,
        "category": dict(entry.get("category", asdict(ANATOMY))),
        "type": code,
        **laterality,
        "rgb": colour(value),
    }


def colour(value: int) -> list[int]:
    """Pale colours that differ from label to label."""
    return [round(255 * part) for part in colorsys.hsv_to_rgb(value * GOLDEN % 1, 0.45, 0.9)]
