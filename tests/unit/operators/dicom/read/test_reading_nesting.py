"""An attribute counts where the standard puts it: in a frame's macros, the shared ones, or the data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, HU, only

# Values that would turn, move or rescale a frame, put where they say nothing of it
WRONG = {
    "ImagePositionPatient": [500, 500, 500],
    "ImageOrientationPatient": [0, 1, 0, 0, 0, 1],
    "PixelSpacing": [9, 9],
    "RescaleIntercept": 3000,
    "RescaleSlope": 7,
    "FrameOfReferenceUID": "1.2.66",
    "FrameType": ["DERIVED", "SECONDARY", "LOCALIZER", "NONE"],
    "FrameAcquisitionNumber": 9,
}


def wrong() -> Dataset:
    item = Dataset()
    for keyword, value in WRONG.items():
        setattr(item, keyword, value)
    return item


def private_sequence(group: Dataset) -> None:
    group.private_block(0x0009, "SOMEBODY", create=True).add_new(0x01, "SQ", [wrong()])


def private_sequence_in_front(group: Dataset) -> None:
    """Before all macros by its tag, and as a private creator of group 0029 behind most of them."""
    group.private_block(0x0003, "SOMEBODY", create=True).add_new(0x01, "SQ", [wrong()])
    group.private_block(0x0029, "SOMEBODY", create=True).add_new(0x01, "SQ", [wrong()])


def referenced_images(group: Dataset) -> None:
    group.ReferencedImageSequence = [wrong()]


def derivation(group: Dataset) -> None:
    group.DerivationImageSequence = [wrong()]
    group.DerivationImageSequence[0].SourceImageSequence = [wrong()]


def nested_in_a_macro(group: Dataset) -> None:
    private_sequence(group.FrameContentSequence[0])
    group.FrameContentSequence[0].ReferencedImageSequence = [wrong()]


PLACES = [private_sequence, private_sequence_in_front, referenced_images, derivation, nested_in_a_macro]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("lacking", [False, True])
def test_what_stands_elsewhere_in_a_functional_group_says_nothing_of_the_frame(
    tmp_path: Path, place: Callable[[Dataset], None], lacking: bool
) -> None:
    """Also where the macro that would say it is missing: then it is in the data set, or nowhere."""

    def edit(dataset: Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            place(group)
            if lacking:
                del group.PixelValueTransformationSequence
        if lacking:
            dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1

    phantoms.write_enhanced_ct(tmp_path / "ct.dcm", HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    expected = HU + np.arange(10) if lacking else HU
    assert np.array_equal(read_volume(series).hu, expected)
    assert series.frame_of_reference_uid == f"{phantoms.UID_ROOT}.1.99"


@pytest.mark.parametrize("place", PLACES[:4])
def test_a_position_that_stands_elsewhere_is_no_position(
    tmp_path: Path, place: Callable[[Dataset], None]
) -> None:
    def edit(dataset: Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            place(group)
            del group.PlanePositionSequence

    phantoms.write_enhanced_ct(tmp_path / "ct.dcm", HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert series.fault is not None
    assert series.fault.code == "missing_position"


@pytest.mark.parametrize("place", PLACES[:4])
def test_what_stands_in_a_sequence_of_a_single_slice_says_nothing_of_it(
    tmp_path: Path, place: Callable[[Dataset], None]
) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=lambda dataset, _: place(dataset))
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, HU)


def test_attributes_that_a_converted_image_has_no_macro_for_are_found(tmp_path: Path) -> None:
    """Two phases of one Legacy Converted image, distinguished by its unassigned attributes."""

    def edit(dataset: Dataset) -> None:
        for n, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            item = Dataset()
            item.TriggerTime = 100 * (n % 2)
            group.UnassignedPerFrameConvertedAttributesSequence = [item]
            del group.FrameContentSequence
            group.PlanePositionSequence[0].ImagePositionPatient[2] = 3 * (n // 2)

    phantoms.write_enhanced_ct(tmp_path / "ct.dcm", HU, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (len(first.frames), len(second.frames)) == (5, 5)
    assert "split into phases by cardiac phase" in first.warnings
