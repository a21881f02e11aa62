"""An import onto a disk that fills up leaves nothing, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.errors import OutputError
from tests.support.faults.small_disk import fill, small_disk
from tests.support.training.synthetic_datasets import write_raw
from training.datasets.importing import Wishes, import_dataset


def test_a_full_disk_leaves_no_half_data_set(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 0, "b": 1})
    with small_disk(tmp_path / "disk", 4) as disk:
        fill(disk, 300_000)
        with pytest.raises(OutputError, match="No space left on device"):
            import_dataset(source, disk / "dataset", Wishes())
        assert [path.name for path in disk.iterdir()] == ["ballast"]
        (disk / "ballast").unlink()
        assert len(import_dataset(source, disk / "dataset", Wishes()).cases) == 2
