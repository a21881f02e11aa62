"""Only new images create a job; other objects of a study never do, however often they arrive."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    EnhancedSRStorage,
    KeyObjectSelectionDocumentStorage,
    MRImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from app.node.settings.peer import Result
from operators.dicom.elements.image_classes import is_segmentable
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom import phantoms
from tests.support.node.study_cases import jobs, quiet, sent

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
OBJECTS = {
    "OT": SecondaryCaptureImageStorage, "CT": SecondaryCaptureImageStorage, "SEG": SegmentationStorage,
    "DOC": EncapsulatedPDFStorage, "KO": KeyObjectSelectionDocumentStorage, "RTSTRUCT": RTStructureSetStorage,
    "SR": BasicTextSRStorage, "XC": MultiFrameTrueColorSecondaryCaptureImageStorage,
    "M3D": LABEL_MAP,
}  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, quiet_s=30)


def of(sop_class_uid: str, modality: str, number: int = 0) -> phantoms.Edit:
    """An instance of its own of that class."""

    def edit(dataset: Dataset, k: int) -> None:
        dataset.SOPClassUID, dataset.Modality = sop_class_uid, modality
        dataset.SOPInstanceUID = f"{phantoms.UID_ROOT}.1.9.{number}.{k}"

    return edit


@pytest.mark.parametrize("series", [1, 9], ids=["in the images' series", "in its own"])
@pytest.mark.parametrize(("modality", "sop_class"), OBJECTS.items(), ids=OBJECTS)
def test_what_comes_back_makes_no_job_three_times_in_a_row(
    node: Node, modality: str, sop_class: str, series: int
) -> None:
    sent(node)
    assert quiet(node, 0) == 1
    for number in range(1, 4):
        sent(node, of(sop_class, modality, number), series=series, keep=range(3))
        assert quiet(node, 1000 * number) == 0
    node.again()
    assert quiet(node, 9000) == 0
    assert len(jobs(node)) == 1


@pytest.mark.parametrize(
    "sop_class", [CTImageStorage, EnhancedCTImageStorage, DigitalXRayImageStorageForPresentation]
)
def test_new_images_make_a_job_whatever_came_before_them_in_their_series(node: Node, sop_class: str) -> None:
    sent(node, of(SecondaryCaptureImageStorage, "OT", 1), keep=[0])
    assert quiet(node, 0) == 1
    sent(node, of(sop_class, "CT", 2), keep=[0])
    assert quiet(node, 1000) == 1
    sent(node, of(sop_class, "CT", 3), keep=[0])
    assert quiet(node, 2000) == 1


@pytest.mark.parametrize(("modality", "sop_class"), [*OBJECTS.items(), ("MR", MRImageStorage)])
def test_a_study_without_an_image_has_one_job_that_says_so(node: Node, modality: str, sop_class: str) -> None:
    sent(node, of(sop_class, modality, 1), keep=[0])
    assert quiet(node, 0) == 1
    sent(node, of(sop_class, modality, 2), keep=[0])
    assert quiet(node, 1000) == 0


def test_no_form_of_a_result_counts_as_an_image() -> None:
    forms = {
        "seg": SegmentationStorage,
        "sr": "1.2.840.10008.5.1.4.1.1.88.34",
        "summary": SecondaryCaptureImageStorage,
        "pdf": EncapsulatedPDFStorage,
        "text": EnhancedSRStorage,
        "sc": SecondaryCaptureImageStorage,
        "turntable": SecondaryCaptureImageStorage,
        "kos": KeyObjectSelectionDocumentStorage,
        "labelmap": LABEL_MAP,
        "rtstruct": RTStructureSetStorage,
    }
    assert set(forms) == set(get_args(Result))
    assert not [form for form, sop_class in forms.items() if is_segmentable(sop_class)]


@pytest.mark.parametrize(
    "sop_class", [DigitalXRayImageStorageForPresentation, ComputedRadiographyImageStorage]
)
def test_a_radiograph_makes_a_job_and_results_that_come_back_make_none(node: Node, sop_class: str) -> None:
    sent(node, of(sop_class, "DX", 1), keep=[0])
    assert quiet(node, 0) == 1
    for number, series in enumerate((1, 8, 9), 2):
        for modality, result in (("DX", SecondaryCaptureImageStorage), ("SR", BasicTextSRStorage)):
            sent(node, of(result, modality, 10 * number + len(modality)), series=series, keep=[0])
        assert quiet(node, 1000 * number) == 0
    node.again()
    assert quiet(node, 9000) == 0
    sent(node, of(sop_class, "DX", 5), keep=[0], series=3)
    assert quiet(node, 10000) == 1
