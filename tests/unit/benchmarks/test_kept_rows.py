"""Rows of a page: kept where they come from the same weights, made again where not."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.kept_rows import KeptRows, Row


def test_a_case_is_run_again_for_other_weights_or_by_its_name(tmp_path: Path) -> None:
    ran: list[str] = []

    def run(name: str) -> Row:
        ran.append(name)
        return {"dice": 0.5}

    cases = {name: lambda name=name: run(name) for name in ("a leg", "an arm")}
    KeptRows(tmp_path / "page.md").run(cases, "first", only=["arm"])
    assert ran == ["an arm"]
    KeptRows(tmp_path / "page.md").run(cases, "first", only=[])
    assert ran == ["an arm", "a leg"]
    # The code may have changed, which the weights do not tell
    KeptRows(tmp_path / "page.md").run(cases, "first", only=["arm"])
    assert ran == ["an arm", "a leg", "an arm"]
    kept = KeptRows(tmp_path / "page.md")
    kept.run(cases, "second", only=["leg"])
    assert ran == ["an arm", "a leg", "an arm", "a leg"]
    assert {name: row["weights"] for name, row in kept.rows.items()} == {"an arm": "first", "a leg": "second"}
    assert json.loads((tmp_path / "page" / "rows.json").read_text(encoding="utf-8")) == kept.rows
