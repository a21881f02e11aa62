"""Other people's software reads the same voxels from our DICOM SEG."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from operators.dicom.seg.seg_reader import read_seg
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.seg_cases import blobs, bone, grid, points_mm, provenance, segmentation, series

SEGIMAGE2ITKIMAGE = Path(sys.executable).parent / "segimage2itkimage"
TURN = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.2, 1.0]]))[0]


def dcmqi_points_mm(path: Path, folder: Path, number: int, name: str = "") -> NDArray[np.float64]:
    """Voxel centres (LPS) of a segment as dcmqi reads them, from the file `name` or the segment's own."""
    command: list[str | Path] = [
        SEGIMAGE2ITKIMAGE,
        "--inputDICOM",
        path,
        "--outputDirectory",
        folder,
        "-t",
        "nrrd",
    ]
    subprocess.run(command, check=True, capture_output=True)
    image = SimpleITK.ReadImage(str(folder / (name or f"{number}.nrrd")))
    voxels = np.argwhere(SimpleITK.GetArrayFromImage(image) == number)[:, ::-1]
    points = np.array([image.TransformIndexToPhysicalPoint(tuple(v)) for v in voxels.tolist()])
    return points[np.lexsort(points.round(3).T)]


@pytest.mark.parametrize("axes", [np.eye(3), TURN, np.diag([1.0, 1.0, -1.0])])
def test_dcmqi_reads_every_voxel_at_its_place(tmp_path: Path, axes: NDArray[np.float64]) -> None:
    on = grid(axes=axes * [0.75, 0.5, 2.5])
    made = segmentation(blobs(), on, bone(11, fragment=1), bone(12, fragment=2))
    path = write_seg(made, provenance(made, series(on)), tmp_path / "seg.dcm")
    for number, segment in enumerate(made.segments, start=1):
        expected = points_mm(made.label_map, segment.value)
        np.testing.assert_allclose(dcmqi_points_mm(path, tmp_path, number), expected, atol=1e-3)


def test_a_label_map_of_highdicom_is_read_like_a_binary_one(tmp_path: Path) -> None:
    made = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))
    path = write_seg(made, provenance(made, series(grid())), tmp_path / "seg.dcm")
    binary = highdicom.seg.segread(path)
    volume = binary.get_volume(combine_segments=True)
    converted = highdicom.seg.Segmentation(
        source_images=[binary],
        pixel_array=volume,
        segmentation_type="LABELMAP",
        segment_descriptions=list(binary.SegmentSequence),
        series_instance_uid="1.2.9",
        series_number=1,
        sop_instance_uid="1.2.9.1",
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="x",
        device_serial_number="x",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    converted.save_as(tmp_path / "label_map.dcm")
    ours, _ = read_seg(path)
    theirs, infos = read_seg(tmp_path / "label_map.dcm")
    assert [info.fragment for info in infos] == [1, 2]
    for value in (1, 2):
        np.testing.assert_allclose(points_mm(theirs, value), points_mm(ours, value), atol=1e-3)
