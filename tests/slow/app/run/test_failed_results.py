"""A series whose SEG cannot be written leaves no other result of that run; older files stay."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.run.folder import run_folder
from app.run.series_job import graph_of
from app.run.stage_clock import silent
from app.settings import read_settings
from benchmarks.networks.synthetic_radiograph import write_radiograph
from operators.results import image_kinds


def test_a_failed_seg_takes_the_other_results_of_its_run_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = write_radiograph(tmp_path / "dx" / "1.dcm", (600, 500), 12).parent
    settings, out = read_settings(None), tmp_path / "out"
    out.mkdir()
    (out / "preview.png").touch()
    (out / "of a reader.txt").touch()
    os.utime(out / "preview.png", (0, 0))

    def refuse(*_: Any) -> Any:
        raise RuntimeError

    row = image_kinds.IMAGE_KINDS["projection"]
    broken = replace(row, write_seg=refuse, draw_preview=refuse, preview_among=refuse)
    monkeypatch.setitem(image_kinds.IMAGE_KINDS, "projection", broken)
    done = run_folder(series, out, settings, None, datetime.now(UTC), silent, graph_of(settings))
    assert done.exit_code != 0
    left = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert left == ["of a reader.txt", "preview.png", "report.json"]
    (record,) = json.loads((out / "report.json").read_text(encoding="utf-8"))["series"]
    assert record["result"] is None
