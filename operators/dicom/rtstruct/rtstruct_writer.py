"""Writes a Segmentation as an RT Structure Set: closed contours on the original slices of its series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage
from scipy import ndimage

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.identity import copy_identity, decode_texts
from operators.dicom.provenance.provenance import (
    LONG_STRING,
    NOT_FOR_DIAGNOSIS,
    PlainInstance,
    Provenance,
    algorithm,
    equipment,
    mark,
)
from operators.dicom.provenance.source_headers import frame_of_reference_uid
from operators.dicom.provenance.source_references import reference
from operators.dicom.seg.seg_frames import labelled_slices, planes
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.errors import UnsuitableError
from operators.geometry.contours import closed_outlines
from operators.segmentation.segmentation import Segment, Segmentation

SERIES_NUMBER = 9100  # after the SEG's, before the report's
LABEL = "BONES"
SHORT_STRING = 16  # characters in a value of VR SH (PS3.5 6.2)
# PS3.4 B.5: retired, but still the class by which RT objects reference a study (PS3.3 C.8.8.5)
DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
CONTOUR_DATA = Tag(0x3006, 0x0050)


@dataclass(frozen=True, eq=False)
class Contour:
    """A closed outline (N, 3), LPS in mm, on one of the series' frames."""

    points_lps: NDArray[np.float64]
    frame: Frame


def write_structures(segmentation: Segmentation, provenance: Provenance, path: Path) -> Path:
    """Writes an RT Structure Set (PS3.3 A.19). Raises OutputError, or UnsuitableError without voxels."""
    dataset = make_structures(segmentation, provenance)
    return write_dataset(path, dataset)


def make_structures(segmentation: Segmentation, provenance: Provenance) -> PlainInstance:
    """Returns the structure set without writing it; the same input gives the same UIDs."""
    series = provenance.series
    if series.is_projection:
        text = "RTSTRUCT applies to CT only: expected a series in patient space, got a radiograph"
        raise UnsuitableError(text, code="no_frame_of_reference")
    header = decode_texts(series.header)
    contours = contours_of(segmentation, series)
    segments = [segment for segment in segmentation.segments if contours[segment.value]]
    if not segments:
        raise UnsuitableError("expected at least one labelled voxel, got none", code="nothing_found")
    dataset = PlainInstance(
        sop_class_uid=RTStructureSetStorage,
        modality="RTSTRUCT",
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=provenance.uid("series", "structures"),
        series_number=provenance.series_number(SERIES_NUMBER),
        series_description=provenance.description("contours"),
        sop_instance_uid=provenance.uid("instance", "structures"),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
        **equipment(provenance),
    )
    copy_identity(header, dataset)
    mark(dataset, provenance)
    describe_structures(dataset, provenance)
    place = frame_of_reference_uid(series, header, segmentation.label_map.grid)
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = place, ""
    dataset.ReferencedFrameOfReferenceSequence = [frame_of_reference(series, place)]
    numbered = list(enumerate(segments, start=1))
    dataset.StructureSetROISequence = [region(n, segment, provenance, place) for n, segment in numbered]
    dataset.ROIContourSequence = [
        contour_item(n, segment, contours[segment.value], series) for n, segment in numbered
    ]
    dataset.RTROIObservationsSequence = [observation(n, segment) for n, segment in numbered]
    return dataset


def contours_of(segmentation: Segmentation, series: Series) -> dict[int, list[Contour]]:
    """Returns the outlines of each label value, slice by slice."""
    label_map = segmentation.label_map
    columns = label_map.grid.ijk_to_lps[:3, :2]
    slices = labelled_slices(label_map, series)
    found: dict[int, list[Contour]] = {segment.value: [] for segment in segmentation.segments}
    for place, plane in zip(slices, planes(label_map, list(slices.values())), strict=True):
        frame = series.frames[place]
        for value, box in enumerate(ndimage.find_objects(plane), start=1):
            if box is not None and value in found:
                start = [box[0].start, box[1].start]
                for outline in closed_outlines(plane[box] == value):
                    points = (outline + start)[:, ::-1] @ columns.T + frame.position_lps_mm
                    found[value].append(Contour(points, frame))
    return found


def describe_structures(dataset: PlainInstance, provenance: Provenance) -> None:
    """Sets the label and dates, and marks the structure set as unapproved."""
    day, hour = provenance.day_and_hour
    dataset.SeriesDate = dataset.StructureSetDate = day
    dataset.SeriesTime = dataset.StructureSetTime = hour
    dataset.StructureSetLabel = LABEL
    dataset.StructureSetDescription = NOT_FOR_DIAGNOSIS
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.OperatorsName = ""


def images_of(series_instance_uid: str, frames: Sequence[Frame], series: Series) -> Dataset:
    """Returns the references to the images of one DICOM series."""
    images = Dataset()
    images.SeriesInstanceUID = series_instance_uid
    images.ContourImageSequence = [reference(frame, series) for frame in frames]
    return images


def frame_of_reference(series: Series, uid: str) -> Dataset:
    """Returns the reference to the images that the contours were drawn on."""
    named = series.frames_by_series().items()
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY
    study.ReferencedSOPInstanceUID = series.study_instance_uid
    study.RTReferencedSeriesSequence = [images_of(uid, frames, series) for uid, frames in named]
    item = Dataset()
    item.FrameOfReferenceUID = uid
    item.RTReferencedStudySequence = [study]
    return item


def region(number: int, segment: Segment, provenance: Provenance, frame_of_reference_uid: str) -> Dataset:
    """Returns the region item of a bone or fragment, with the algorithm that drew it."""
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    item.ROIName = segment.label[:LONG_STRING]
    item.ROIDescription = tracking_identifier(segment)
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    item.ROIGenerationDescription = provenance.package.maker_of(segment.bone).algorithm_name[:LONG_STRING]
    item.ROIDerivationAlgorithmIdentificationSequence = algorithm(provenance, segment.bone)
    return item


def contour_item(number: int, segment: Segment, contours: Sequence[Contour], series: Series) -> Dataset:
    """Returns the contour item of a region, with its colour."""
    item = Dataset()
    item.ROIDisplayColor = list(segment.rgb)
    item.ReferencedROINumber = number
    item.ContourSequence = [one_contour(n, each, series) for n, each in enumerate(contours, start=1)]
    return item


def one_contour(number: int, contour: Contour, series: Series) -> Dataset:
    """Returns the item of one polygon on one slice."""
    item = Dataset()
    item.ContourImageSequence = [reference(contour.frame, series)]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(contour.points_lps)
    item.ContourNumber = number
    # Written as bytes: pydicom would create an object for each of a million numbers
    text = "\\".join(f"{value:.3f}" for value in contour.points_lps.ravel().tolist()).encode()
    text += b" " * (len(text) % 2)
    item[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text, 0, False, True)
    return item


def observation(number: int, segment: Segment) -> Dataset:
    """Returns the observation item of a region, with the same codes as in the SEG."""
    kind = concept(segment.type)
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.ROIObservationLabel = segment.label[:SHORT_STRING]
    item.SegmentedPropertyCategoryCodeSequence = [concept(segment.category)]
    item.RTROIIdentificationCodeSequence = [kind]
    item.RTROIInterpretedType, item.ROIInterpreter = "", ""
    return item
