"""Measurements and the report of a real fractured pelvis, as an expert has outlined it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from app.label_files import read_nifti
from operators.dicom.report_check import check_report
from operators.dicom.report_writer import write_report
from operators.dicom.seg_writer import write_seg
from operators.imaging.measuring import measured
from operators.imaging.packages import Code
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import LabelMap
from tests.integration.seg_cases import LEFT, bone, making, package, series
from tests.integration.test_report_writer import errors
from tests.unit.test_meshes import assert_closed

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pelvis" / "001"
RIGHT = Code("24028007", "SCT", "Right")
SACRUM = Code("54735007", "SCT", "Sacrum")


def outlined(folder: Path) -> Segmentation:
    """Sacrum and right hip bone intact, the left hip bone in two."""
    masks = {0: "SA", 10: "LI", 20: "RI"}
    maps = {first: read_nifti(folder / f"{folder.name}_{name}_mask.nii.gz") for first, name in masks.items()}
    grid = maps[0].grid
    labels = np.zeros(grid.shape, np.uint8)
    for first, each in maps.items():
        np.copyto(labels, each.labels + np.uint8(first), where=each.labels > 0, casting="unsafe")
    values = [int(value) for value in np.unique(labels) if value]
    assert values == [1, 11, 13, 21]
    sacrum = replace(bone(1, laterality=None), bone="sacrum", region=SACRUM, type=SACRUM)
    broken = [bone(11, fragment=1), bone(13, fragment=2, laterality=LEFT)]
    other = replace(bone(21, laterality=RIGHT), bone="right_hip_bone")
    segments: tuple[Segment, ...] = (sacrum, *broken, other)
    return Segmentation(LabelMap(labels, grid), segments, package())


@pytest.mark.real_data
def test_a_whole_pelvis_is_measured_and_reported_in_seconds_with_closed_surfaces(tmp_path: Path) -> None:
    made = outlined(DATA)
    source = series(made.label_map.grid)
    seg = write_seg(made, making(made, source), tmp_path / "segmentation.dcm")
    began_s = time.process_time()
    found = measured(made)
    path = write_report(found, making(made, source), seg, tmp_path / "measurements.dcm")
    assert time.process_time() - began_s < 5
    for row in found.measurements:
        assert_closed(row.mesh)
        assert row.mesh.volume_mm3 == pytest.approx(row.volume_mm3.value, rel=0.02)
    _, main, second, _ = found.measurements
    # Expert labels leave no room between fragments that touch; theirs was displaced by millimetres
    assert main.gap is not None
    assert second.gap is not None
    assert main.gap.mean_mm < 1.5
    assert second.gap.greatest_mm < 10
    assert second.displacement is not None
    assert second.displacement.translation_mm.value < 20
    assert path.stat().st_size < 100_000
    assert errors(path) == []
    assert check_report(path, dcmread(seg, stop_before_pixels=True).SOPInstanceUID, source)
