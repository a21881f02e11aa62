"""The content of Osteon's DICOM SEG, and other programs that read it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from operators.dicom.headers.series import Series
from operators.dicom.seg.seg_reader import read_seg, read_seg_on
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OutputError, UnreadableError, UnsuitableError
from operators.geometry.volume import Grid
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import (
    BONE,
    FRACTURE,
    LEFT,
    blobs,
    bone,
    grid,
    multi_frame,
    points_mm,
    provenance,
    segmentation,
    series,
)
from tests.support.dicom.validator import errors_in

ORIENTATIONS = [
    np.eye(3)[:, list(order)] * signs
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]


def two_fragments(on: Grid) -> Segmentation:
    return segmentation(blobs(on.shape), on, bone(11, fragment=1), bone(12, fragment=2))


def written(folder: Path, made: Segmentation, source: Series, **options: str) -> Path:
    return write_seg(made, provenance(made, source), folder / "seg.dcm", **options)


def validator_errors(path: Path) -> list[str]:
    return errors_in(path, "Segmentation")


def assert_same_place(made: Segmentation, path: Path) -> None:
    read, infos = read_seg(path)
    for info, segment in zip(infos, made.segments, strict=True):
        np.testing.assert_allclose(
            points_mm(read, info.value), points_mm(made.label_map, segment.value), atol=1e-3
        )


def test_a_seg_follows_the_profile_that_opens_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, two_fragments(grid()), series(grid()))
    dataset = dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4"
    assert (dataset.SegmentationType, dataset.SegmentsOverlap) == ("BINARY", "NO")
    assert (dataset.Rows, dataset.Columns, dataset.NumberOfFrames) == (9, 13, 4)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.FrameOfReferenceUID == "1.2.4"
    assert dataset.ContentCreatorName
    assert dataset.ContentQualification == "RESEARCH"
    assert "not for diagnosis" in dataset.SeriesDescription
    assert dataset.Manufacturer == "Osteon"
    assert dataset.PixelData.endswith(b"\0")
    assert validator_errors(path) == []


def test_each_frame_names_the_slice_it_was_made_from(tmp_path: Path) -> None:
    source = series(grid())
    dataset = dcmread(written(tmp_path, two_fragments(grid()), source))
    positions = {frame.sop_instance_uid: frame.position_lps_mm for frame in source.frames}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert tuple(map(float, position)) == pytest.approx(positions[reference.ReferencedSOPInstanceUID])
    (referenced,) = dataset.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == source.series_instance_uid
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == set(positions)


def test_an_intact_bone_and_a_fragment_carry_their_codes_and_side(tmp_path: Path) -> None:
    made = segmentation(blobs(), grid(), bone(11), bone(12, fragment=2))
    dataset = dcmread(written(tmp_path, made, series(grid())))
    intact, fragment = dataset.SegmentSequence
    assert [int(item.SegmentNumber) for item in dataset.SegmentSequence] == [1, 2]
    bone_item = intact.SegmentedPropertyTypeCodeSequence[0]
    assert bone_item.CodeValue == BONE.value
    assert bone_item.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == LEFT.value
    assert "AnatomicRegionSequence" not in intact
    fracture_item = fragment.SegmentedPropertyTypeCodeSequence[0]
    assert fracture_item.CodeValue == FRACTURE.value
    assert "SegmentedPropertyTypeModifierCodeSequence" not in fracture_item
    region = fragment.AnatomicRegionSequence[0]
    assert region.CodeValue == BONE.value
    assert region.AnatomicRegionModifierSequence[0].CodeValue == LEFT.value
    assert fragment.SegmentAlgorithmType == "AUTOMATIC"
    algorithm = fragment.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Osteon bones", "1.2.0")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
    # Bone in CIELab as Slicer has it: 56638\32899\42533 (FIELD.md 3), to a rounding.
    assert fragment.RecommendedDisplayCIELabValue == pytest.approx([56638, 32899, 42533], abs=300)


def test_the_reader_gives_back_bone_fragment_and_side(tmp_path: Path) -> None:
    made = segmentation(blobs(), grid(), bone(11), bone(12, fragment=2, laterality=None))
    _, (intact, fragment) = read_seg(written(tmp_path, made, series(grid())))
    assert (intact.bone, intact.fragment, intact.region) == ("left_hip_bone", None, BONE)
    assert intact.laterality == LEFT
    assert (fragment.bone, fragment.fragment, fragment.region) == ("left_hip_bone", 2, BONE)
    assert fragment.laterality is None
    assert fragment.label == "Left hip bone, fragment 2"


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_voxels_keep_their_place_in_all_48_orientations(tmp_path: Path, axes: Any) -> None:
    on = grid(axes=axes * [0.75, 0.5, 2.5])
    made = two_fragments(on)
    path = written(tmp_path, made, series(on))
    assert_same_place(made, path)
    numbers = np.select([blobs() == 11, blobs() == 12], [1, 2])
    np.testing.assert_array_equal(read_seg_on(path, on).labels, numbers)


def test_voxels_keep_their_place_in_an_oblique_series(tmp_path: Path) -> None:
    turn = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.2, 1.0]]))[0]
    on = grid(axes=turn * [0.75, 0.5, 2.5])
    path = written(tmp_path, two_fragments(on), series(on))
    assert_same_place(two_fragments(on), path)
    assert validator_errors(path) == []


def test_a_tilted_series_gives_frames_on_its_own_slices(tmp_path: Path) -> None:
    axes = np.array([[0.75, 0.0, 0.0], [0.0, 0.5, 0.9], [0.0, 0.0, 2.5]])
    on = grid(axes=axes)
    path = written(tmp_path, two_fragments(on), series(on))
    assert_same_place(two_fragments(on), path)
    assert validator_errors(path) == []


def test_an_irregular_series_is_written_on_its_original_slices(tmp_path: Path) -> None:
    on, ks = grid(), (0.0, 1.2, 1.9, 4.4, 5.1)
    source = series(on, ks=ks)
    path = written(tmp_path, two_fragments(on), source)
    dataset = dcmread(path)
    groups = dataset.PerFrameFunctionalGroupsSequence
    heights_mm = [float(group.PlanePositionSequence[0].ImagePositionPatient[2]) for group in groups]
    assert sorted(heights_mm) == pytest.approx([source.frames[n].position_lps_mm[2] for n in (1, 2, 3, 4)])
    assert "SpacingBetweenSlices" not in dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    np.testing.assert_array_equal(read_seg_on(path, on).labels[:, :, 1] == 1, blobs()[:, :, 1] == 11)


def test_a_series_with_a_missing_slice_has_no_frame_there(tmp_path: Path) -> None:
    on = grid()
    path = written(tmp_path, two_fragments(on), series(on, ks=(0.0, 1.0, 3.0, 4.0, 5.0, 6.0)))
    labels = read_seg_on(path, on).labels
    assert not labels[:, :, 2].any()
    np.testing.assert_array_equal(labels[:, :, 1] == 1, blobs()[:, :, 1] == 11)


def test_a_multi_frame_source_is_named_by_instance_and_frame(tmp_path: Path) -> None:
    source = multi_frame(grid())
    path = written(tmp_path, two_fragments(grid()), source)
    dataset = dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert reference.ReferencedSOPInstanceUID == "1.2.3.1"
        frame = source.frames[int(reference.ReferencedFrameNumber) - 1]
        position = tuple(map(float, group.PlanePositionSequence[0].ImagePositionPatient))
        assert position == pytest.approx(frame.position_lps_mm)
    assert len(dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 1
    assert_same_place(two_fragments(grid()), path)
    assert validator_errors(path) == []


def test_two_segments_on_one_slice_of_a_multi_frame_source_name_the_same_frame(tmp_path: Path) -> None:
    labels, source = blobs(), multi_frame(grid())
    labels[10, 7, 1] = 12
    made = segmentation(labels, grid(), bone(11, fragment=1), bone(12, fragment=2))
    dataset = dcmread(written(tmp_path, made, source))
    named = [
        int(group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(named) == [2, 2, 3, 5, 6]
    assert_same_place(made, tmp_path / "seg.dcm")


def test_a_segment_of_one_voxel_survives(tmp_path: Path) -> None:
    labels = np.zeros((13, 9, 7), np.uint8)
    labels[12, 8, 6] = 255
    made = segmentation(labels, grid(), bone(255))
    path = written(tmp_path, made, series(grid()))
    assert_same_place(made, path)
    assert validator_errors(path) == []


def test_a_segment_without_voxels_is_left_out_and_numbers_stay_consecutive(tmp_path: Path) -> None:
    made = segmentation(blobs(), grid(), bone(3), bone(11), bone(7), bone(12, fragment=1))
    dataset = dcmread(written(tmp_path, made, series(grid())))
    assert [int(item.SegmentNumber) for item in dataset.SegmentSequence] == [1, 2]


def test_nothing_labelled_is_refused_with_a_reason(tmp_path: Path) -> None:
    made = segmentation(np.zeros((13, 9, 7), np.uint8), grid(), bone(11))
    with pytest.raises(UnsuitableError, match="at least one labelled voxel") as caught:
        written(tmp_path, made, series(grid()))
    assert caught.value.code == "nothing_found"
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_a_study_uid_is_refused_for_none_is_invented(tmp_path: Path) -> None:
    nameless = replace(series(grid()), study_instance_uid="")
    with pytest.raises(UnsuitableError, match="study and a series instance UID"):
        written(tmp_path, two_fragments(grid()), nameless)


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="expected a writable folder"):
        written(tmp_path / "taken", two_fragments(grid()), series(grid()))


def test_a_file_that_is_no_seg_is_unreadable(tmp_path: Path) -> None:
    other = tmp_path / "other.dcm"
    other.write_bytes(b"not DICOM")
    with pytest.raises(UnreadableError, match="expected a DICOM SEG"):
        read_seg(other)


def test_a_grid_elsewhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, two_fragments(grid()), series(grid()))
    with pytest.raises(UnreadableError, match="lie on slices of the grid"):
        read_seg_on(path, grid(axes=np.diag([0.8, 0.5, 2.5])))
