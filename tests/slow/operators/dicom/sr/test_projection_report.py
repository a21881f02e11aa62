"""The structured report on a radiograph: valid, with the verdict, and a group for each finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import highdicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation

from operators.dicom.seg.projection_seg import write_projection_seg
from operators.dicom.sr.projection_codes import XR_PROCEDURE, code_named
from operators.dicom.sr.report_check import check_projection_report
from operators.dicom.sr.report_writer import write_report
from operators.errors import OutputError
from operators.geometry.projection import ProjectionSpacing
from operators.measure.projection_flags import measure_and_flag
from operators.segmentation.radiograph_answer import FractureFinding, Verdict
from operators.segmentation.segmentation import Flag
from tests.slow.operators.dicom.sr.test_report_writer import errors
from tests.support.radiographs.radiograph_result_cases import (
    CALIBRATED,
    ON_DETECTOR,
    made,
    projection,
    provenance,
    series,
)

FRACTURE_OF_BONE = "125605004"


def written(
    folder: Path,
    count: int,
    profile: str | None = "binary",
    spacing: ProjectionSpacing | None = CALIBRATED,
    laterality: str = "left",
    verdict: Verdict | None = None,
    flags: tuple[Flag, ...] = (),
    **changes: Any,
) -> tuple[highdicom.sr.MeasurementReport, Dataset | None]:
    """The content of the report, read back and checked, and the SEG, which `profile` None leaves out."""
    image, source = projection(spacing=spacing, laterality=laterality), series(**changes)
    found = measure_and_flag(image, made(count, image, verdict, flags))
    shared, seg = provenance(found, source), folder / "seg.dcm"
    seg.unlink(missing_ok=True)
    if profile:
        write_projection_seg(found, shared, seg, profile=profile)
    header = dcmread(seg) if seg.is_file() else None
    path = write_report(found, shared, seg, folder / "measurements.dcm")
    check_projection_report(path, str(header.SOPInstanceUID) if header else None, source)
    content = highdicom.sr.Comprehensive3DSR.from_dataset(dcmread(path)).content
    return cast(highdicom.sr.MeasurementReport, content), header


def finding_of(count: int, index: int) -> FractureFinding:
    """One of the findings of a made-up answer."""
    answer = made(count).answer
    assert answer is not None
    return answer.findings[index]


def site_of(group: highdicom.sr.MeasurementsAndQualitativeEvaluations) -> tuple[str, str | None]:
    """Codes of the body part and of the side."""
    site = group.finding_sites[0]
    return site.value.value, site.laterality.value if site.laterality else None


def numbers(group: Any) -> dict[str, tuple[float, str, str]]:
    """Value, unit and method of each number, by its code."""
    return {
        each.name.value: (float(each.value), each.unit.value, each.method.value)
        for each in group.get_measurements()
    }


def said(group: Any) -> list[tuple[str, str]]:
    """Name and value of each evaluation; highdicom counts the finding's and algorithm's codes among them."""
    pairs = [(each.name.value, each.value.value) for each in group.get_qualitative_evaluations()]
    return [(name, value) for name, value in pairs if name not in ("276214006", "111000")]


@pytest.mark.parametrize(
    ("count", "profile"), [(0, "binary"), (0, None), (1, None), (3, None), (1, "labelmap"), (3, "binary")]
)
def test_it_is_valid_with_and_without_a_seg(tmp_path: Path, count: int, profile: str | None) -> None:
    written(tmp_path, count, profile)
    # dciodvfy of 2026-09 does not yet count Label Map Segmentation Storage among segmentations
    unknown = "not segmentation - attribute <ReferencedSegmentNumber>"
    found = errors(tmp_path / "measurements.dcm")
    assert [line for line in found if profile != "labelmap" or unknown not in line] == []


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.FRACTURE, "52101004"),
        (Verdict.NO_FRACTURE, "272519000"),
        (Verdict.UNCERTAIN, "82334004"),
    ],
)
def test_the_verdict_is_coded_with_its_probability(tmp_path: Path, verdict: Verdict, code: str) -> None:
    content, _ = written(tmp_path, 1, verdict=verdict)
    (group,) = content.get_image_measurement_groups()
    assert group.finding_type is None
    assert site_of(group) == ("85562004", "7771000")
    assert said(group) == [
        (FRACTURE_OF_BONE, code),
        ("operating_point", "balanced"),
        ("body_part", "85562004"),
        ("111031", "399033003"),
        ("111027", "7771000"),
    ]
    found = numbers(group)
    assert found["111012"] == (87, "%", "calibrated")
    assert found["threshold"] == (31, "%", "setting")
    assert found["hardware_share"][:2] == (2, "%")
    (source,) = group.source_images
    assert source.referenced_sop_instance_uid == "1.2.3.1"


def test_each_finding_refers_to_its_frame_under_the_same_tracking_uid(tmp_path: Path) -> None:
    content, seg = written(tmp_path, 3)
    assert seg is not None
    groups = content.get_planar_roi_measurement_groups()
    for number, (group, segment) in enumerate(zip(groups, seg.SegmentSequence, strict=True), start=1):
        assert group.tracking_uid == segment.TrackingUID
        (item,) = group[0].ContentSequence.find(highdicom.sr.CodedConcept("121214", "DCM", ""))
        reference = item.ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert reference.ReferencedFrameNumber == number
        assert "ReferencedSegmentNumber" not in reference
    found = numbers(groups[1])
    finding = finding_of(3, 1)
    assert found["111012"] == (62, "%", "calibrated")
    edges = ("first_row", "first_column", "behind_last_row", "behind_last_column")
    assert tuple(found[edge][0] for edge in edges) == finding.box


def test_without_a_seg_a_finding_is_a_box_on_the_radiograph(tmp_path: Path) -> None:
    content, _ = written(tmp_path, 1, None, SOPClassUID=DigitalXRayImageStorageForPresentation)
    (group,) = content.get_planar_roi_measurement_groups()
    top, left, bottom, right = finding_of(1, 0).box
    region = group.roi
    assert region is not None
    assert region.value.min(axis=0).tolist() == [left, top]
    assert region.value.max(axis=0).tolist() == [right, bottom]


@pytest.mark.parametrize(
    ("spacing", "unit", "method"),
    [
        (CALIBRATED, "mm2", "pixels_patient"),
        (ON_DETECTOR, "mm2", "pixels_detector"),
        (None, "{pixels}", "pixels_counted"),
    ],
)
def test_an_area_names_its_plane_or_is_in_pixels(
    tmp_path: Path, spacing: ProjectionSpacing | None, unit: str, method: str
) -> None:
    content, _ = written(tmp_path, 1, spacing=spacing)
    (group,) = content.get_planar_roi_measurement_groups()
    finding = finding_of(1, 0)
    area = finding.area_pixels * (spacing.pixel_area_mm2 if spacing else 1)
    value, *named = numbers(group)["42798000"]
    assert value == pytest.approx(area, abs=0.06)
    assert named == [unit, method]


def test_flags_of_the_image_stand_at_the_image_and_others_at_their_findings(tmp_path: Path) -> None:
    flags = (Flag("hardware", "Metal.", (1, 2)), Flag("low_confidence", "Barely.", (2,)))
    content, _ = written(tmp_path, 2, flags=flags)
    (image,) = content.get_image_measurement_groups()
    first, second = content.get_planar_roi_measurement_groups()
    assert [value for name, value in said(image) if name == "111052"] == ["hardware"]
    assert (said(first), said(second)) == ([], [("111052", "low_confidence")])


def test_a_side_that_is_unknown_is_not_named(tmp_path: Path) -> None:
    content, _ = written(tmp_path, 1, laterality="", Laterality=None)
    (group,) = content.get_image_measurement_groups()
    assert site_of(group)[1] is None
    assert "111027" not in dict(said(group))
    content, _ = written(tmp_path, 1, laterality="both", Laterality=None)
    (group,) = content.get_image_measurement_groups()
    assert site_of(group)[1] == "51440002"
    assert dict(said(group))["111027"] == "51440002"


def test_the_procedure_is_a_radiograph_and_the_summary_says_the_verdict(tmp_path: Path) -> None:
    written(tmp_path, 0)
    dataset = dcmread(tmp_path / "measurements.dcm")
    codes = [
        item.ConceptCodeSequence[0].CodeValue
        for item in dataset.ContentSequence
        if "ConceptCodeSequence" in item
    ]
    assert XR_PROCEDURE.value in codes
    text = dataset.ContentSequence[-1].TextValue
    assert "No fracture found (4%; balanced threshold" in text
    assert "does not rule out a fracture" in text


def test_the_same_input_has_the_same_report(tmp_path: Path) -> None:
    written(tmp_path, 2)
    one = dcmread(tmp_path / "measurements.dcm")
    written(tmp_path, 2)
    assert dcmread(tmp_path / "measurements.dcm") == one


def test_the_check_refuses_references_to_others(tmp_path: Path) -> None:
    written(tmp_path, 1)
    for seg in (None, "1.2.3.9"):
        with pytest.raises(OutputError, match="radiograph and its SEG"):
            check_projection_report(tmp_path / "measurements.dcm", seg, series())


def test_a_name_without_a_code_becomes_one_of_osteons_own() -> None:
    code = code_named("skyline view", {})
    assert (code.value, code.scheme, code.meaning) == ("skyline_view", "99OSTEON", "skyline view")
