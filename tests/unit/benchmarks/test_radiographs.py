"""The benchmark of radiographs: its table, its package, and the synthetic image."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from app.run.record import StageRecord
from benchmarks.networks import radiographs
from benchmarks.networks.radiograph_run import grouped
from benchmarks.networks.synthetic_radiograph import picture, write_radiograph
from benchmarks.process_usage import ProcessUsage
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.read.scan import scan


def cost(seconds: float, peak_mb: float = 900.0) -> dict[str, Any]:
    stages = {"read": 0.1, "network": 0.25, "write": seconds - 0.35}
    return {"seconds": seconds, "processor_s": 2 * seconds, "peak_mb": peak_mb, "stages": stages}


def test_the_table_has_medians_without_the_first_run_and_the_highest_peak() -> None:
    ours = [cost(3.0), cost(1.0), cost(0.75, 950.4), cost(2.0)]
    theirs = [cost(9.0), cost(4.0, 1400.0)]
    cold = ProcessUsage(8.125, 940.0, 0, "")
    assert radiographs.table(ours, theirs, cold).splitlines() == [
        "|  | read s | network s | write s | seconds | processor s | peak MB | times faster |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| Osteon, networks loaded | 0.10 | 0.25 | 0.65 | 1.00 | 2.00 | 950 | 4.0 |",
        "| Osteon, first run | 0.10 | 0.25 | 2.65 | 3.00 | 6.00 | 900 |  |",
        "| nnU-Net v2, network loaded | 0.10 | 0.25 | 3.65 | 4.00 | 8.00 | 1400 | 1 |",
        "| nnU-Net v2, first run | 0.10 | 0.25 | 8.65 | 9.00 | 18.00 | 900 |  |",
        "| `osteon run`, with start and loading |  |  |  | 8.12 |  | 940 |  |",
    ]


def test_without_a_peer_there_is_no_ratio() -> None:
    lines = radiographs.table([cost(3.0), cost(1.0)], None, None).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| Osteon, networks loaded",
        "| Osteon, first run",
    ]
    assert all(line.endswith(" |  |") for line in lines[2:])


def test_stages_are_reading_networks_and_the_rest() -> None:
    names = {"select": 0.01, "read": 0.2, "resample": 0.1, "anatomy": 0.3, "fractures": 0.05, "page": 0.2}
    found = grouped(1.0, tuple(StageRecord(name, seconds, 900.0) for name, seconds in names.items()))
    assert found == {"read": 0.2, "network": pytest.approx(0.45), "write": pytest.approx(0.35)}


def test_the_copy_of_a_package_outlines_one_finding() -> None:
    text = "[decision]\nimage = [0.0, 1.0]\nfinding = [-2.8, 0.5]\noutline_threshold = 0.1\n"
    decision = tomllib.loads(radiographs.with_one_finding(text))["decision"]
    assert decision == {"image": [0.0, 1.0], "finding": [30.0, 0.1], "outline_threshold": 1e-6}


def test_a_folder_without_a_package_of_radiographs_has_none(tmp_path: Path) -> None:
    for name, kind in (("hand", "radiograph"), ("pelvis", "coarse_to_fine")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.toml").write_text(f'kind = "{kind}"\n', encoding="utf-8")
    assert radiographs.radiograph_packages(tmp_path) == [tmp_path / "hand"]
    assert radiographs.radiograph_packages(tmp_path / "pelvis") == []


def test_the_peers_folder_reads_pictures_and_resamples_them_to_the_patch(tmp_path: Path) -> None:
    folder = radiographs.write_network(tmp_path / "network")
    assert '"file_ending": ".png"' in (folder / "dataset.json").read_text(encoding="utf-8")
    assert '"NaturalImage2DIO"' in (folder / "plans.json").read_text(encoding="utf-8")
    spacing = radiographs.NETWORK.spacing
    assert (
        tuple(round(side / mm) for side, mm in zip(radiographs.SHAPE, spacing, strict=True))
        == radiographs.PATCH
    )


def test_the_image_is_read_as_a_radiograph_of_its_size_and_bits(tmp_path: Path) -> None:
    path = write_radiograph(tmp_path / "dx" / "1.dcm", (300, 250), 14)
    stored = dcmread(path)
    assert (stored.Rows, stored.Columns, stored.BitsStored) == (300, 250, 14)
    assert np.array_equal(stored.pixel_array, picture((300, 250), 14))
    (series,) = scan(path.parent).series
    image = read_projection(series)
    assert image.grey.shape == (300, 250)
    assert image.grey.max() > 0.8
    assert image.laterality == "right"


def test_the_image_uses_its_bits_and_is_always_the_same() -> None:
    values = picture((300, 250), 14)
    assert values.max() < 1 << 14
    assert len(np.unique(values)) > 1 << 12
    assert np.array_equal(values, picture((300, 250), 14))
