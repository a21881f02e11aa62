"""Measurements and the report of a real fractured pelvis, as an expert has outlined it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from app.run.html.writer import write_page
from app.run.record import SeriesRecord
from operators.dicom.capture.secondary_captures import write_pictures, write_turntable
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_check import check_report
from operators.dicom.sr.report_writer import write_report
from operators.geometry.volume import CtVolume, LabelMap
from operators.image_files.label_files import read_nifti
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.package_files.package_reader import read_package
from operators.packages.packages import ModelPackage
from operators.packages.structures import Code
from operators.render.fracture_pictures import fracture_pictures
from operators.render.turntable import draw_turntable
from operators.segmentation.segmentation import Segment, Segmentation
from tests.slow.operators.dicom.sr.test_report_writer import errors
from tests.support.dicom.seg_cases import LEFT, MADE_AT, bone, package, provenance, series
from tests.unit.operators.geometry.test_meshes import assert_closed

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "pelvis" / "001"
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
    return Segmentation(LabelMap(labels, grid), segments, shipped())


def shipped() -> ModelPackage:
    """The package of tests with what the shipped one says of quality, its labels by the names used here."""
    known = read_package(Path(__file__).resolve().parents[4] / "models" / "pelvis" / "package.toml")
    names = {"hip_left": "left_hip_bone", "hip_right": "right_hip_bone"}
    labels = tuple(
        replace(label, structure=replace(label.structure, name=names.get(label.name, label.name)))
        for label in known.labels
    )
    return replace(package(), labels=labels, quality=known.quality)


def record_of(made: Segmentation) -> SeriesRecord:
    return SeriesRecord(
        "1.2.1",
        "1.2.2",
        "",
        "CT",
        274,
        "selected",
        "segmented",
        segmentation=made,
        names={"seg": ("segmentation.dcm",), "sr": ("measurements.dcm",)},
    )


@pytest.mark.real_data
def test_a_whole_pelvis_is_measured_reported_and_drawn(tmp_path: Path) -> None:
    made = outlined(DATA)
    source = series(made.label_map.grid)
    volume = CtVolume(np.where(made.label_map.labels > 0, 500, 40).astype(np.int16), made.label_map.grid)
    seg = write_seg(made, provenance(made, source), tmp_path / "segmentation.dcm")
    found = flag_result(measure_segments(made), volume)
    path = write_report(found, provenance(made, source), seg, tmp_path / "measurements.dcm")
    pictures = write_pictures(
        fracture_pictures(volume, found), provenance(found, source), tmp_path / "pictures"
    )
    views = write_turntable(draw_turntable(found), provenance(found, source), tmp_path / "turntable")
    page = write_page(record_of(found), tmp_path / "report.html", pictures, MADE_AT, "0.1.0")
    assert page.stat().st_size < 5_000_000
    assert len(views) == 12
    assert found.flags == ()
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
