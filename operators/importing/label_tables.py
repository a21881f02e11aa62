"""Looks up the meanings of a published model's classes in tables, or leaves them to be filled in."""

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
    """Entries by name; `orientation` is that of the training images of the models that use these names."""

    title: str
    orientation: str
    entries: Mapping[str, dict[str, Any]]

    def find(self, name: str, value: int, by_value: bool) -> dict[str, Any] | None:
        """Returns the entry of a class by its name or an alias, or by its value if names say nothing."""
        bare = plain_name(name)
        for known, entry in self.entries.items():
            names = {plain_name(each) for each in (known, *entry.get("aliases", ()))}
            if bare in names or (by_value and entry.get("value") == value):
                return {"name": known, **entry}
        return None


def plain_name(name: str) -> str:
    """Returns a name in lower-case letters and digits, joined by single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def read_table(path: Path) -> LabelTable:
    """Reads one table. Raises UsageError if the file is not one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = dict(table["labels"])
        for entry in entries.values():
            row_of("", 1, entry)
            span_of(entry)
        return LabelTable(str(table.get("title", path.stem)), str(table.get("orientation", "LPS")), entries)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"expected a table of labels in {path.name}, but could not read it: {reason(error)}"
        ) from error


def named_table(wanted: str) -> LabelTable:
    """Returns a known table by its name, or that of a file. Raises UsageError."""
    known = {path.stem: path for path in TABLES.glob("*.toml")}
    path = known.get(wanted.lower(), Path(wanted))
    if not path.is_file():
        raise UsageError(f"expected a table of labels ({', '.join(sorted(known))}) or a file, got {wanted}")
    return read_table(path)


def best_table(values: Mapping[str, int]) -> LabelTable:
    """Returns the known table that has most of these names."""
    tables = [read_table(path) for path in sorted(TABLES.glob("*.toml"))]

    def hits(table: LabelTable) -> int:
        return sum(table.find(name, value, False) is not None for name, value in values.items())

    return max(tables, key=hits)


def label_rows(values: Mapping[str, int], table: LabelTable, by_value: bool) -> list[dict[str, Any]]:
    """Returns [[labels]] of package.toml for a model's values; without a code if the table has none."""
    rows = []
    for name, value in values.items():
        unknown: dict[str, Any] = {"name": plain_name(name), "meaning": name, "type": EMPTY}
        entry = table.find(name, value, by_value) or unknown
        rows.append(row_of(entry["name"], value, entry))
    return rows


def with_fragments(rows: list[dict[str, Any]], table: LabelTable) -> list[dict[str, Any]]:
    """Adds the fragment values of each bone to the rows; a bone without them in the table gets one.

    Raises UsageError if no bone is to be split.
    """
    spans = {row["name"]: span_of(table.entries.get(row["name"], {})) for row in rows}
    taken = [value for span in spans.values() for value in span]
    if not taken:
        raise UsageError(
            "expected a table of labels that says which bones have fragments (fragments = [first, last]), "
            f"got {table.title}, which has none for {', '.join(spans)}; give another with --labels"
        )
    free = count(max(taken) + 1)
    return [row | {"fragments": spans[row["name"]] or [next(free)] * 2} for row in rows]


def span_of(entry: Mapping[str, Any]) -> list[int]:
    """Returns the first and the last value of a bone's fragments; [] for a bone that is not split."""
    if "fragments" not in entry:
        return []
    first, last = entry["fragments"]
    return [int(first), int(last)]


def row_of(name: str, value: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row: a structure of structures.toml or the entry's own. Raises ValueError if unknown."""
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
    """Returns a pale colour that differs from label to label."""
    return [round(255 * part) for part in colorsys.hsv_to_rgb(value * GOLDEN % 1, 0.45, 0.9)]
