"""RT structure sets: valid, of the source's patient, and filled they are the voxels that were labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from scipy import ndimage
from skimage.draw import polygon2mask

from app.cli.command_line import execute
from app.cli.commands import app
from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import check_result
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OutputError, UnsuitableError
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import (
    BONE,
    LESION,
    blobs,
    bone,
    grid,
    header,
    multi_frame,
    provenance,
    segmentation,
    series,
)
from tests.support.dicom.validator import errors_in
from tests.unit.operators.dicom.seg.test_seg_bytes import TURN

MADE = segmentation(blobs(), grid(), bone(11), bone(12, fragment=2))


def written(folder: Path, made: Segmentation, source: Series) -> Dataset:
    path = write_structures(made, provenance(made, source), folder / "structures.dcm")
    assert errors_in(path, "RTStructureSet") == []
    return dcmread(path)


def filled(dataset: Dataset, made: Segmentation) -> NDArray[np.uint8]:
    """What another program sees: each polygon filled by voxel centres on the slice of its first point."""
    on = made.label_map.grid
    labels = np.zeros(on.shape, np.uint8)
    present = [segment for segment in made.segments if (made.label_map.labels == segment.value).any()]
    for item, segment in zip(dataset.ROIContourSequence, present, strict=True):
        for contour in item.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            indices = (np.column_stack([points, np.ones(len(points))]) @ on.lps_to_ijk.T)[:, :3]
            k = round(float(indices[0, 2]))
            np.testing.assert_allclose(indices[:, 2], k, atol=0.01)
            labels[:, :, k][polygon2mask(on.shape[:2], indices[:, :2])] = segment.value
    return labels


def random_shapes(seed: int, shape: tuple[int, int, int] = (41, 37, 6)) -> NDArray[np.uint8]:
    """Two values with holes, islands in holes, and single voxels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), (2, 2, 1))
    high, low = np.quantile(noise, (0.6, 0.2))
    return np.where(noise > high, 11, np.where(noise < low, 12, 0)).astype(np.uint8)


@pytest.mark.parametrize("axes", [np.eye(3), TURN, np.diag([-1.0, 1.0, -1.0])])
def test_filled_contours_are_the_labelled_voxels(tmp_path: Path, axes: NDArray[np.float64]) -> None:
    labels = random_shapes(5)
    on = grid(labels.shape, axes * [0.75, 0.5, 2.5])
    made = segmentation(labels, on, bone(11), bone(12, fragment=2))
    np.testing.assert_array_equal(filled(written(tmp_path, made, series(on)), made), labels)


@pytest.mark.parametrize("seed", range(2))
def test_holes_islands_and_single_voxels_are_kept(tmp_path: Path, seed: int) -> None:
    labels = random_shapes(seed)
    labels[0, 0, 0] = labels[-1, -1, -1] = 12
    labels[:9, :9, 2] = 11
    labels[2:7, 2:7, 2] = 0
    labels[4, 4, 2] = 11
    made = segmentation(labels, grid(labels.shape), bone(11), bone(12, fragment=2))
    np.testing.assert_array_equal(filled(written(tmp_path, made, series(made.label_map.grid)), made), labels)


def test_every_region_carries_its_name_colour_and_codes(tmp_path: Path) -> None:
    dataset = written(tmp_path, MADE, series(grid(), header(SeriesNumber=4)))
    assert [item.ROIName for item in dataset.StructureSetROISequence] == [
        "Left hip bone",
        "Left hip bone, fragment 2",
    ]
    assert list(dataset.ROIContourSequence[0].ROIDisplayColor) == [241, 214, 145]
    intact, fragment = dataset.RTROIObservationsSequence
    assert intact.RTROIIdentificationCodeSequence[0].CodeValue == BONE.value
    assert fragment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == LESION.value
    algorithm = dataset.StructureSetROISequence[0].ROIDerivationAlgorithmIdentificationSequence[0]
    assert "ab" * 32 in algorithm.AlgorithmParameters
    assert dataset.SeriesDescription == "AI Bones and fragments contours, series 4 (not for diagnosis)"
    assert dataset.ApprovalStatus == "UNAPPROVED"


@pytest.mark.parametrize("source", [series(grid()), multi_frame(grid())], ids=["slices", "multi-frame"])
def test_each_contour_names_the_slice_it_lies_on(tmp_path: Path, source: Series) -> None:
    frames = {(frame.sop_instance_uid, frame.frame_number): frame for frame in source.frames}
    for item in written(tmp_path, MADE, source).ROIContourSequence:
        for contour in item.ContourSequence:
            named = contour.ContourImageSequence[0]
            frame = frames[named.ReferencedSOPInstanceUID, named.get("ReferencedFrameNumber")]
            assert float(contour.ContourData[2]) == pytest.approx(frame.position_lps_mm[2], abs=1e-3)


def test_the_same_input_gives_the_same_structures_and_nothing_gives_none(tmp_path: Path) -> None:
    written(tmp_path, MADE, series(grid()))
    first = (tmp_path / "structures.dcm").read_bytes()
    written(tmp_path, MADE, series(grid()))
    assert (tmp_path / "structures.dcm").read_bytes() == first
    with pytest.raises(UnsuitableError, match="at least one labelled voxel"):
        written(tmp_path, segmentation(np.zeros_like(blobs()), grid(), bone(11)), series(grid()))


def test_structures_of_another_patient_never_leave(tmp_path: Path) -> None:
    uid = written(tmp_path, MADE, series(grid())).SOPInstanceUID
    path = tmp_path / "structures.dcm"
    assert check_result(path, series(grid())).sop_instance_uid == uid
    with pytest.raises(OutputError, match="PatientID"):
        check_result(path, replace(series(grid()), header=header(PatientID="P2")))


NAMED = header(SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎", StudyID=None, SeriesNumber=4)


@pytest.mark.parametrize(
    "source", [series(grid(), NAMED), multi_frame(grid())], ids=["slices", "multi-frame"]
)
def test_a_seg_of_ours_is_exported_as_the_structures_that_were_made_with_it(
    tmp_path: Path, source: Series
) -> None:
    beside = written(tmp_path, MADE, source)
    seg = write_seg(MADE, provenance(MADE, source), tmp_path / "seg.dcm")
    with pytest.raises(SystemExit) as ended:
        execute(app, ["export", str(seg), "-o", str(tmp_path / "out"), "--files", "rtstruct"])
    assert ended.value.code == 0
    path = tmp_path / "out" / "structures.dcm"
    check_result(path, source)
    again = dcmread(path)
    for keyword in ("StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence"):
        assert [item.to_json_dict() for item in again[keyword].value] == [
            item.to_json_dict() for item in beside[keyword].value
        ]
    assert again.SeriesDescription == beside.SeriesDescription
    assert again.SeriesNumber == 9100


def test_a_seg_of_another_maker_is_not_exported_as_structures(tmp_path: Path) -> None:
    dataset = dcmread(write_seg(MADE, provenance(MADE, series(grid())), tmp_path / "seg.dcm"))
    dataset.Manufacturer = "another"
    dataset.save_as(tmp_path / "seg.dcm")
    with pytest.raises(UnsuitableError, match="a SEG that Osteon wrote"):
        read_provenance(tmp_path / "seg.dcm")
