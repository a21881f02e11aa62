"""A package of radiographs is measured, and its documents are written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy.radiographs import __main__ as command
from benchmarks.accuracy.radiographs import measuring
from benchmarks.accuracy.radiographs.cases import cases_of
from benchmarks.accuracy.radiographs.document import write_card, write_document
from benchmarks.accuracy.radiographs.rows import RadiographRows, read_rows, write_rows
from benchmarks.accuracy.radiographs.tables import (
    baseline_table,
    fold_table,
)
from operators.errors import UsageError
from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.unit.benchmarks.accuracy.test_radiograph_accuracy import (
    CARD,
    DRAWS,
    cells,
    images,
    row,
    rows_of,
)


@pytest.fixture
def good() -> RadiographRows:
    return rows_of([row(n, n % 2 == 0, right=True) for n in range(60)])


@pytest.fixture
def bad() -> RadiographRows:
    return rows_of([row(n, n % 2 == 0, right=n % 3 == 0) for n in range(60)])


def test_the_same_documents_are_written_from_rows_that_were_read(tmp_path: Path, bad: RadiographRows) -> None:
    written = []
    kept = tmp_path / "rows.json"
    for number, rows in enumerate((bad, None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "MODEL_CARD.md").write_text(CARD, encoding="utf-8")
        found = rows or read_rows(kept)
        assert found == bad
        write_rows(found, kept)
        write_document(found, folder / "page.md", DRAWS)
        write_card(found, folder / "MODEL_CARD.md", DRAWS)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append({path.relative_to(folder): path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert {path.name for path in written[0]} == {
        "page.md",
        "MODEL_CARD.md",
        "roc.svg",
        "froc.svg",
        "reliability.svg",
    }
    card = (tmp_path / "0" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# A card")
    assert card.endswith("The end\n")
    assert "not met" in card
    page = (tmp_path / "0" / "page.md").read_text(encoding="utf-8")
    assert "Cross-validation" not in page
    assert "ResNet-18 from random" not in page
    assert "60 development images" in page
    # A line for each image
    assert kept.read_text(encoding="utf-8").count("\n{") == 60


FOLDS = {
    "folds": [
        {"fold": 1, "trained": 80, "measured": 20, "fractured": 4, "metrics": {"auc": 0.8, "accuracy": None}},
        {"fold": 2, "trained": 79, "measured": 21, "fractured": 5, "metrics": {"auc": 0.7, "accuracy": 0.6}},
    ],
    "all": {"auc": {"mean": 0.75, "spread": 0.0707}, "accuracy": {"mean": 0.6, "spread": None}},
}


def test_other_trainings_are_kept_with_the_rows_and_shown(tmp_path: Path, good: RadiographRows) -> None:
    folds, runs = tmp_path / "cross-validation.json", tmp_path / "runs"
    folds.write_text(json.dumps(FOLDS), encoding="utf-8")
    (runs / "finished-900").mkdir(parents=True)
    (runs / "finished-1200").mkdir()
    (runs / "finished-900" / "metrics.json").write_text('{"auc": 0.1}', encoding="utf-8")
    (runs / "finished-1200" / "metrics.json").write_text('{"auc": 0.7, "accuracy": 0.65}', encoding="utf-8")
    rows = command.compared(good, folds, runs)
    assert command.compared(rows, None, None) == rows
    table = fold_table(rows)
    assert cells(table, "auc") == ["0.750", "0.071", "0.800", "0.700"]
    assert cells(table, "accuracy") == ["0.600", "-", "-", "0.600"]
    assert cells(table, "fractured images") == ["-", "-", "4", "5"]
    assert cells(baseline_table(cases_of(rows, DRAWS), rows), "ResNet-18") == ["0.700", "0.650"]
    write_document(rows, tmp_path / "page.md", DRAWS)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## Cross-validation" in text
    assert "## Beside a ResNet-18" in text
    with pytest.raises(UsageError, match=r"expected the metrics\.json of a finished training"):
        command.compared(good, None, tmp_path)


def test_a_package_is_found_by_its_kind_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        write_radiograph_package(tmp_path / "both", name)
    with pytest.raises(UsageError, match="expected one package of kind radiograph, got 2"):
        measuring.radiograph_package(tmp_path / "both")
    write_radiograph_package(tmp_path / "models", "another")
    (tmp_path / "images.csv").write_text(
        "file,original_width,original_height\n"
        + "".join(f"{n:04}.jpg,373,454\n" for n in range(3))
        + "0003.jpg,,\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(measuring, "read_dataset", lambda *_, **__: images(4))
    sheet, known = tmp_path / "out" / "sheet.png", replace(rows_of([]), baseline={"auc": 0.5})
    rows = measuring.measure(tmp_path, tmp_path / "models", sheet, known)
    assert (rows.package, rows.baseline) == ("another", {"auc": 0.5})
    assert len(rows.images) == 4
    first, last = rows.images[0], rows.images[-1]
    assert (first["size"], last["size"]) == ([373, 454], None)
    assert (first["shows"], first["body_part"], first["view"]) == (["hand", "frontal"], "hand", "frontal")
    assert (first["probability"], first["outlines"], len(first["findings"])) == (0.9, 1, 1)
    assert first["findings"][0]["score"] == 0.8
    assert 0 < first["detections"][0]["overlaps"][0] < 1
    assert sheet.is_file()
    assert "100% of the development images" in capsys.readouterr().out
    monkeypatch.setattr(measuring, "read_dataset", lambda *_, **__: [])
    with pytest.raises(UsageError, match="expected images of the split dev"):
        measuring.measure(tmp_path, tmp_path / "models", sheet, None)
