"""The SEG of a radiograph: pixel for pixel, valid, readable by others, and absent where nothing was found."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
)

from operators.dicom.fallback_encodings import ENCODINGS, write_fallback
from operators.dicom.seg.projection_seg import check_projection_seg, write_projection_seg
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_geometry import placement_of
from operators.dicom.seg.seg_reader import read_seg, read_seg_on
from operators.errors import OutputError, UnreadableError, UnsuitableError
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import grid
from tests.support.dicom.validator import BINARIES, errors_in
from tests.support.radiographs.radiograph_result_cases import ODD, made, projection, provenance, series

# dciodvfy of 2026-09 accepts no side in the header of any SEG, CT's as little as a radiograph's
SIDE_IN_HEADER = "Element=<Laterality> Module=<GeneralSeries>"


def written(
    folder: Path, found: Segmentation, profile: str = "binary", shape: tuple[int, int] = ODD, **changes: Any
) -> Path:
    shared = provenance(found, series(shape, **changes))
    path = write_projection_seg(found, shared, folder / "seg.dcm", profile=profile)
    assert path is not None
    return path


def errors(path: Path) -> list[str]:
    return errors_in(path, "Segmentation")


@pytest.mark.parametrize("profile", ["binary", "labelmap"])
@pytest.mark.parametrize("shape", [ODD, (64, 48), (61, 127)])
@pytest.mark.parametrize("count", [1, 3])
def test_every_pixel_is_read_back_by_osteon_highdicom_and_pydicom(
    tmp_path: Path, profile: str, shape: tuple[int, int], count: int
) -> None:
    found = made(count, projection(shape))
    path = written(tmp_path, found, profile, shape)
    check_projection_seg(path, found, series(shape))
    labels = found.label_map.labels
    np.testing.assert_array_equal(read_seg(path)[0].labels, labels)
    np.testing.assert_array_equal(read_seg_on(path, found.label_map.grid).labels, labels)
    read = highdicom.seg.segread(path)
    (frame,) = read.get_pixels_by_source_instance(["1.2.3.1"], combine_segments=True)
    np.testing.assert_array_equal(frame, labels[:, :, 0].T)
    frames = dcmread(path).pixel_array
    numbers = range(1, count + 1)
    expected = [n == labels[:, :, 0].T for n in numbers] if profile == "binary" else [labels[:, :, 0].T]
    np.testing.assert_array_equal(frames.reshape(len(expected), *shape), expected)


@pytest.mark.parametrize("profile", ["binary", "labelmap"])
@pytest.mark.parametrize("changes", [{}, {"Laterality": None, "PatientOrientation": None}])
def test_it_is_valid(tmp_path: Path, profile: str, changes: dict[str, Any]) -> None:
    found = errors(written(tmp_path, made(3), profile, **changes))
    assert [line for line in found if SIDE_IN_HEADER not in line or changes] == []


def test_dcmqi_names_why_it_reads_no_seg_without_an_orientation(tmp_path: Path) -> None:
    """dcmqi 1.5.7 converts to volumes, which a radiograph has no place for."""
    command = [str(BINARIES / "segimage2itkimage"), "--inputDICOM", str(written(tmp_path, made(1)))]
    command += ["--outputDirectory", str(tmp_path), "-t", "nrrd"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Plane Orientation (Patient) is missing" in done.stdout + done.stderr


def test_frames_name_the_radiograph_and_no_place_in_the_patient(tmp_path: Path) -> None:
    dataset = dcmread(written(tmp_path, made(3)))
    assert (dataset.Rows, dataset.Columns, dataset.NumberOfFrames) == (*ODD, 3)
    assert "FrameOfReferenceUID" not in dataset
    assert dataset.PatientOrientation == ["L", "F"]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == "1.2.3.1"
        absent = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        assert not any(word in each for word in absent for each in (shared, group))
    segment = dataset.SegmentSequence[0]
    assert (segment.SegmentLabel, segment.SegmentDescription) == ("Fracture 1", "Confidence: 87%")
    region = segment.AnatomicRegionSequence[0]
    assert region.CodeMeaning == "Hand"
    assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Left"


@pytest.mark.parametrize("number", [4, None])
def test_a_frame_of_several_is_named_by_its_number_and_an_only_one_by_its_image(
    tmp_path: Path, number: int | None
) -> None:
    capture = str(MultiFrameGrayscaleByteSecondaryCaptureImageStorage)
    source = series(frame_number=number, SOPClassUID=capture)
    found = made(3)
    path = write_projection_seg(found, provenance(found, source), tmp_path / "seg.dcm")
    assert path is not None
    check_projection_seg(path, found, source)
    for group in dcmread(path).PerFrameFunctionalGroupsSequence:
        named = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert (named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID) == (capture, "1.2.3.1")
        assert named.get("ReferencedFrameNumber") == number


def test_the_same_input_has_the_same_uids_and_another_input_others(tmp_path: Path) -> None:
    one, again = (dcmread(written(tmp_path, made(2))) for _ in range(2))
    assert one == again
    others = [
        dcmread(written(tmp_path, made(2, weights="cd" * 32))),
        dcmread(
            written(tmp_path, made(2), SOPClassUID=DigitalXRayImageStorageForPresentation, Laterality="R")
        ),
        dcmread(written(tmp_path, made(2), "labelmap")),
    ]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({getattr(each, keyword) for each in (one, *others)}) == 4


@pytest.mark.parametrize("profile", ["binary", "labelmap"])
def test_nothing_found_is_no_file_and_a_former_one_goes(tmp_path: Path, profile: str) -> None:
    path = written(tmp_path, made(1), profile)
    found = made(0)
    assert write_projection_seg(found, provenance(found), path, profile=profile) is None
    assert not path.exists()


def test_the_check_refuses_other_labels_another_image_and_another_patient(tmp_path: Path) -> None:
    found = made(2)
    path = written(tmp_path, found)
    with pytest.raises(OutputError, match="voxels that differ"):
        check_projection_seg(path, made(1), series())
    frames = tuple(replace(frame, sop_instance_uid="1.2.3.9") for frame in series().frames)
    with pytest.raises(OutputError, match="another image"):
        check_projection_seg(path, found, replace(series(), frames=frames))
    with pytest.raises(OutputError, match="PatientID"):
        check_projection_seg(path, found, series(PatientID="P2"))


def test_frames_over_several_images_have_no_grid(tmp_path: Path) -> None:
    path = written(tmp_path, made(2))
    dataset = dcmread(path)
    group = dataset.PerFrameFunctionalGroupsSequence[1]
    group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.9"
    with pytest.raises((UnreadableError, AttributeError)):
        placement_of(dataset)
    with pytest.raises(UnreadableError, match="radiograph"):
        read_seg_on(path, replace(grid(), shape=(ODD[1], ODD[0], 7)))


def tracking_uids(path: Path) -> list[str]:
    return [str(item.TrackingUID) for item in dcmread(path).SegmentSequence]


def test_a_label_map_is_made_of_the_seg_and_an_rt_structure_set_refused(tmp_path: Path) -> None:
    found = made(3)
    path = written(tmp_path, found)
    again, shared = read_provenance(path)
    assert (again.package.reads, shared.series.is_projection) == ("projection", True)
    write_fallback("labelmap", path, tmp_path / "labelmap.dcm")
    np.testing.assert_array_equal(read_seg(tmp_path / "labelmap.dcm")[0].labels, found.label_map.labels)
    assert tracking_uids(tmp_path / "labelmap.dcm") == tracking_uids(path)
    for make in (
        lambda: write_fallback("rtstruct", path, tmp_path / "structures.dcm"),
        lambda: ENCODINGS["projection"]["rtstruct"](found, provenance(found), tmp_path / "structures.dcm"),
    ):
        with pytest.raises(UnsuitableError, match="patient space") as refused:
            make()
        assert refused.value.code == "no_frame_of_reference"
    assert not (tmp_path / "structures.dcm").exists()
