"""A DICOM SEG is compared by its codes, and its missing empty slices are no limit."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code as PydicomCode
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from app.evaluation.comparison import pairs, run_evaluation
from operators.image_files.label_files import is_label_file
from operators.packages.structures import Code
from tests.support.packages.labels import made_label

ANATOMY, LESION = (
    ("91723000", "SCT", "Anatomical Structure"),
    ("49755003", "SCT", "Morphologically Abnormal Structure"),
)
FRACTURE, BONE, LEFT = ("72704001", "SCT", "Fracture"), ("29836001", "SCT", "Hip"), ("7771000", "SCT", "Left")
LABELS = (made_label("left", "left", 11, 20, Code(*LEFT), type_=Code(*BONE)),)
SHAPE = (6, 16, 16)


def blocks(first: slice, second: slice) -> NDArray[np.uint8]:
    """(slices, rows, columns) with segment 1 and 2 in their slices."""
    planes = np.zeros(SHAPE, dtype=np.uint8)
    planes[first, 4:12, 3:8] = 1
    planes[second, 4:12, 8:14] = 2
    return planes


def ct_slices() -> list[Dataset]:
    """Headers of one CT series, 1 x 1 x 3 mm."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    return [ct_slice(k, study, series, frame) for k in range(SHAPE[0])]


def ct_slice(k: int, study: str, series: str, frame: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
    ds.PatientID = ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyID = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", 1, k + 1
    ds.Rows, ds.Columns = SHAPE[1:]
    ds.PixelSpacing, ds.SliceThickness = [1, 1], 3
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-8, -8, 3 * k]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def fragment(number: int, order: int) -> SegmentDescription:
    """A fragment of the left bone, side at the region."""
    description = SegmentDescription(
        segment_number=number,
        segment_label=f"fragment {order}",
        segmented_property_category=PydicomCode(*LESION),
        segmented_property_type=PydicomCode(*FRACTURE),
        algorithm_type="MANUAL",
        tracking_id=f"left fragment {order}",
        tracking_uid=generate_uid(),
        anatomic_regions=[PydicomCode(*BONE)],
    )
    side = highdicom.sr.CodedConcept(*LEFT)
    description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    return description


def write(path: Path, slices: list[Dataset], planes: NDArray[np.uint8]) -> Path:
    seg = Segmentation(
        slices,
        planes,
        "BINARY",
        [fragment(1, 1), fragment(2, 2)],
        generate_uid(),
        2,
        generate_uid(),
        1,
        "maker",
        "model",
        "1",
        "0",
        omit_empty_frames=True,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    seg.save_as(path)
    return path


def test_a_seg_compared_with_itself_scores_one_under_the_packages_values(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", ct_slices(), blocks(slice(1, 4), slice(2, 5)))
    [result] = run_evaluation(path, path, LABELS)
    assert result.metrics.fragment.iou == 1
    assert [fragment.value for fragment in result.metrics.bones[0].fragments] == [11, 12]
    assert result.name == "a"


def test_predicted_slices_beyond_the_truths_frames_still_count_against_it(tmp_path: Path) -> None:
    slices = ct_slices()
    truth = write(tmp_path / "t.dcm", slices, blocks(slice(2, 4), slice(2, 4)))
    prediction = write(tmp_path / "p.dcm", slices, blocks(slice(1, 5), slice(1, 5)))
    [result] = run_evaluation(prediction, truth, LABELS)
    assert result.metrics.anatomy.iou == pytest.approx(0.5)


def test_other_dicom_files_in_a_results_folder_are_not_taken_for_label_maps(tmp_path: Path) -> None:
    slices = ct_slices()
    truth = write(tmp_path / "truth" / "t.dcm", slices, blocks(slice(2, 4), slice(2, 4)))
    slices[0].save_as(tmp_path / "truth" / "ct.dcm", enforce_file_format=True)
    assert not is_label_file(tmp_path / "truth" / "ct.dcm")
    assert [pair.truth for pair in pairs(truth.parent, truth.parent)] == [truth]
