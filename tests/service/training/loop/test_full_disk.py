"""What a training writes to a disk that is full is whole or not there, and the error says why."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UnwritableError
from tests.support.faults.small_disk import fill, small_disk
from tests.support.training.training_cases import recipe
from training.files import append_line
from training.loop.checkpoints import write_tensors
from training.simulate.sources import Sources


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        fill(disk, 100_000)
        # torch hides the first error behind that of closing its archive
        with pytest.raises(UnwritableError, match="No space left on device"):
            write_whole(disk / "x.checkpoint", partial(write_tensors, {"a": torch.zeros(200_000)}))
        assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_log_has_whole_lines_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        log = disk / "log.jsonl"
        append_line(log, {"step": 1})
        ballast = fill(disk)
        with pytest.raises(UnwritableError, match="No space left on device"):
            append_line(log, {"step": 2, "text": "x" * 10_000})
        ballast.unlink()
        append_line(log, {"step": 3})
        assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 3]


def test_the_cache_keeps_no_half_subject(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        ballast = fill(disk, 100_000)
        sources = Sources(recipe(tmp_path), tmp_path, disk / "cache")
        with pytest.raises(UnwritableError, match="a labelled CT in the cache, got: No space left"):
            sources.kept("labelled x", lambda: np.zeros(500_000))
        assert list((disk / "cache").iterdir()) == []
        ballast.unlink()
        assert len(sources.kept("labelled x", lambda: np.zeros(1000))) == 1000
