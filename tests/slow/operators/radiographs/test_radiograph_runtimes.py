"""A radiograph has the same answer in each runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.unit.operators.radiographs.test_radiograph_pipeline import image, run


def test_runtimes_agree(tmp_path: Path) -> None:
    package = write_radiograph_package(tmp_path)
    one, other = (run(package, image(), runtime) for runtime in ("torch", "openvino"))
    assert one.answer is not None
    assert other.answer is not None
    assert np.abs(one.answer.heat_map - other.answer.heat_map).max() < 1e-3
    assert (one.label_map.labels != other.label_map.labels).mean() < 0.01
