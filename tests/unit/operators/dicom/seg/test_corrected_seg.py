"""A corrected SEG has the drawn voxels, the original's segments, and refers to it and the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from pydicom import dcmread

from operators.dicom.seg.corrected_reader import read_corrected
from operators.dicom.seg.corrected_seg import Corrected, write_corrected_seg
from operators.dicom.seg.seg_difference import seg_differences
from operators.dicom.seg.seg_files import read_identity, referenced_series
from operators.dicom.seg.seg_reader import read_seg_on, read_segments
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import UnsuitableError
from operators.evaluation.metrics import Change
from operators.geometry.volume import LabelMap
from tests.support.dicom.seg_cases import (
    BONE,
    FRACTURE,
    LEFT,
    LESION,
    blobs,
    bone,
    grid,
    multi_frame,
    provenance,
    segmentation,
    series,
)
from tests.support.packages.synthetic_packages import label_named, made_package

NOW = datetime(2026, 5, 6, 7, 8, 9)


def written(
    tmp_path: Path,
    labels: np.ndarray,
    is_multi_frame: bool = False,
    splits: Mapping[int, int] = MappingProxyType({}),
) -> tuple[Path, Path]:
    """The original of `blobs`, and its correction with `labels`."""
    on = grid()
    segments = (bone(11, fragment=1), replace(bone(12), bone="right_hip_bone", label="Right hip bone"))
    made = segmentation(blobs(), on, *segments)
    source = multi_frame(on) if is_multi_frame else series(on)
    original = write_seg(made, provenance(made, source), tmp_path / "original.dcm")
    path = tmp_path / "corrected.dcm"
    write_corrected_seg(LabelMap(labels, on), Corrected(source, original, "eve", NOW, splits), path)
    return original, path


def numbered() -> np.ndarray:
    """The original's labels by Segment Number."""
    labels = blobs()
    return ((labels == 11) + 2 * (labels == 12)).astype(np.uint8)


@pytest.mark.parametrize("is_multi_frame", [False, True])
def test_it_holds_what_was_drawn_also_on_slices_that_were_empty(tmp_path: Path, is_multi_frame: bool) -> None:
    labels = numbered()
    labels[1:3, 6, 3] = 2
    labels[2:6, 1, 1:3] = 0
    original, path = written(tmp_path, labels, is_multi_frame)
    assert np.array_equal(read_seg_on(path, grid()).labels, labels)
    before, after = read_segments(original), read_segments(path)
    assert [each.tracking_uid for each in after] == [each.tracking_uid for each in before]
    assert [(each.label, each.type, each.rgb) for each in after] == [
        (each.label, each.type, each.rgb) for each in before
    ]
    dataset = dcmread(path)
    assert dataset.ContentCreatorName == "eve^"
    assert {item.SegmentAlgorithmType for item in dataset.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert dataset.PatientID == "P1"


def test_it_refers_to_the_images_first_and_to_the_original(tmp_path: Path) -> None:
    labels = numbered()
    labels[0, 0, 0] = 1
    original, path = written(tmp_path, labels)
    corrected, corrects = read_identity(path), read_identity(original)
    assert referenced_series(path) == "1.2.2"
    assert corrects.sop_instance_uid in corrected.sources
    assert corrected.is_made_from(corrects)
    assert not corrects.is_made_from(corrects)
    unnamed = replace(corrects, sop_instance_uid="1", tracking_uids=frozenset(), names=frozenset(("lung",)))
    assert not unnamed.is_made_from(corrects)
    assert replace(corrects, sop_instance_uid="1", tracking_uids=frozenset()).is_made_from(corrects)


def test_a_segment_that_was_erased_is_left_out_and_told_as_a_difference(tmp_path: Path) -> None:
    labels = numbered()
    labels[labels == 1] = 0
    labels[0, 0, 0] = 2
    original, path = written(tmp_path, labels)
    (left,) = read_segments(path)
    assert (left.value, left.label) == (1, "Right hip bone")
    ml = grid().voxel_volume_mm3 / 1000
    counts = [int((numbered() == value).sum()) for value in (1, 2)]
    assert list(seg_differences(path, original, grid())) == [
        Change("Left hip bone, fragment 1", 0.0, 0.0, round(counts[0] * ml, 3)),
        Change("Right hip bone", round(2 * counts[1] / (2 * counts[1] + 1), 4), round(ml, 3), 0.0),
    ]
    assert list(seg_differences(original, original, grid())) == []


def test_a_part_that_was_split_off_is_the_next_fragment_of_its_bone(tmp_path: Path) -> None:
    labels = numbered()
    labels[2:4][labels[2:4] == 1] = 3
    labels[8][labels[8] == 2] = 4
    original, path = written(tmp_path, labels, splits={3: 1, 4: 2})
    before, after = read_segments(original), read_segments(path)
    assert [(each.value, each.bone, each.fragment, each.label) for each in after] == [
        (1, "left_hip_bone", 1, "Left hip bone, fragment 1"),
        (2, "left_hip_bone", 2, "Left hip bone fragment 2"),
        (3, "right_hip_bone", 1, "Right hip bone fragment 1"),
        (4, "right_hip_bone", 2, "Right hip bone fragment 2"),
    ]
    got = read_seg_on(path, grid()).labels
    assert np.array_equal(got, np.array([0, 1, 3, 2, 4], np.uint8)[labels])
    # What was whole is a fragment now, in the region of the bone and on its side
    assert {(each.category, each.type, each.region) for each in after} == {(LESION, FRACTURE, BONE)}
    assert [each.laterality for each in after] == [LEFT] * 4
    assert after[0].tracking_uid == before[0].tracking_uid
    assert len({each.tracking_uid for each in (*before, *after)}) == 5
    assert len({each.rgb for each in after}) == 3


def test_a_corrected_seg_is_a_segmentation_without_the_predictions_probabilities(tmp_path: Path) -> None:
    labels = numbered()
    labels[2:4][labels[2:4] == 1] = 3
    original, path = written(tmp_path, labels, splits={3: 1})
    left, right = (label_named(f"{side}_hip_bone") for side in ("left", "right"))
    packages = [replace(made_package(), labels=(label,), name=label.name) for label in (left, right)]
    made = read_corrected(path, original, grid(), packages)
    assert made.package.name == "left_hip_bone+right_hip_bone"
    assert [(each.bone, each.fragment) for each in made.segments] == [
        ("left_hip_bone", 1), ("left_hip_bone", 2), ("right_hip_bone", None),
    ]  # fmt: skip
    counts = [int((labels == value).sum()) for value in (1, 3, 2)]
    ml = grid().voxel_volume_mm3 / 1000
    assert [each.volume_ml for each in made.segments] == pytest.approx([count * ml for count in counts])
    assert [each.confidence for each in made.segments] == [None] * 3
    origin = replace(provenance(made, series(grid())), correction=made.correction)
    infos = read_segments(path)
    assert origin.tracking_uid("left_hip_bone fragment 2") == infos[1].tracking_uid
    assert origin.uid("report") != replace(origin, correction=None).uid("report")
    assert origin.description("measures").endswith("measures, corrected (not for diagnosis)")
    with pytest.raises(UnsuitableError, match="right_hip_bone"):
        read_corrected(path, original, grid(), packages[:1])


def test_without_any_label_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableError, match="at least one labelled voxel"):
        written(tmp_path, np.zeros(grid().shape, np.uint8))
    assert not (tmp_path / "corrected.dcm").exists()
