"""The rows of a run, stored as JSON lines: a file for each group, a line for each case."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Key = tuple[str, str, str]


def key_of(row: Row) -> Key:
    """Returns group, case and networks of a row."""
    return row["group"], row["case"], row["networks"]


def picture_name(key: Key) -> str:
    """Returns the file name of a case's picture."""
    plain = "".join(c if c.isalnum() else "-" for c in "-".join(key))
    return f"{plain}.png"


@dataclass
class Rows:
    """All rows of a folder; each row is on disk before the next is measured."""

    folder: Path
    kept: dict[Key, Row] = field(default_factory=dict)

    def put(self, row: Row) -> None:
        """Replaces the former row of that case."""
        self.kept[key_of(row)] = row
        self.write(row["group"])

    def holds(self, key: Key, made_by: dict[str, str]) -> bool:
        """Returns whether the case was run with the same weights and program."""
        return key in self.kept and self.kept[key]["made_by"] == made_by

    def keep_only(self, wanted: Iterable[Key]) -> None:
        """Drops rows of cases that are no longer in the panel."""
        gone = set(self.kept) - set(wanted)
        for key in gone:
            del self.kept[key]
        for group in {group for group, _, _ in gone}:
            self.write(group)

    def of(self, group: str) -> list[Row]:
        """Returns the rows of a group, in the order of their first run."""
        return [row for key, row in self.kept.items() if key[0] == group]

    def write(self, group: str) -> None:
        """Writes the group's file atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{group}.jsonl"
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in self.of(group)), encoding="utf-8")
        part.replace(path)


def read_rows(folder: Path) -> Rows:
    """Reads the rows of earlier runs."""
    rows = Rows(folder)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows.kept[key_of(row)] = row
    return rows
