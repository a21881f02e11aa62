"""Writes the SEG of a corrected result: its segments are described as in the SEG that it corrects.

A segment that people split off another one is the next fragment of that bone; what was an intact bone is then
its first fragment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation as DicomSegmentation
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.coded_concepts import code_of, concept
from operators.dicom.provenance.identity import copy_identity, decode_texts, derived_uid
from operators.dicom.provenance.provenance import LONG_STRING
from operators.dicom.provenance.source_headers import slice_headers
from operators.dicom.provenance.source_references import name_sources
from operators.dicom.seg.seg_reader import colour_of
from operators.dicom.seg.seg_writer import binary_frames, content_attributes, name_dimensions
from operators.dicom.seg.segment_descriptions import FRAGMENT, bone_and_fragment, side_of
from operators.errors import UnreadableError
from operators.geometry.volume import Grid, LabelMap
from operators.packages.structures import Code
from operators.segmentation.colours import colours_beside
from operators.segmentation.segments import FRACTURE, LESION

# After those of the results
SERIES_NUMBER = 9950
CORRECTED = "CORRECTED"
# PS3.16 CID 7202
PROCESSED = Code("121322", "DCM", "Source image for image processing operation")
DESCRIBED = ("SegmentSequence", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ManufacturerModelName",
             "SoftwareVersions", "DeviceSerialNumber", "Manufacturer")  # fmt: skip


# The end of a fragment's label
NUMBERED = re.compile(r",? fragment \d+.*$")


@dataclass(frozen=True, eq=False)
class Corrected:
    """A correction: the images, the file that it corrects, who made it and when; `splits` are the values of
    new segments, each with that of the segment that it was a part of.
    """

    series: Series
    original: Path
    who: str
    made_at: datetime
    splits: Mapping[int, int] = field(default_factory=dict)

    def uid(self, *parts: str) -> UID:
        """Returns a UID that belongs to this correction alone."""
        return derived_uid(*parts, "corrected", str(self.original), self.who, self.made_at.isoformat())


def write_corrected_seg(label_map: LabelMap, made: Corrected, path: Path) -> None:
    """Writes a SEG (PS3.3 A.51) of the Segment Numbers of the original. Raises OsteonError."""
    try:
        original = dcmread(made.original, stop_before_pixels=True, specific_tags=list(DESCRIBED))
        described = describe_splits(original.SegmentSequence, made)
    except READ_ERRORS as error:
        raise UnreadableError("expected the SEG that is corrected, got one that cannot be read") from error
    make = partial(make_corrected, original, described, made)
    write_whole(path, binary_frames(label_map, list(described), made.series, make))


def make_corrected(
    original: Dataset,
    described: Mapping[int, Dataset],
    made: Corrected,
    values: Sequence[int],
    voxels: NDArray[np.uint8],
    places: list[int],
    grid: Grid,
) -> DicomSegmentation:
    """Builds highdicom's SEG of `voxels`; it refers to the original too, and says who corrected it."""
    series, header = made.series, decode_texts(made.series.header)
    headers = slice_headers(series, header, grid)
    dataset = DicomSegmentation(
        source_images=[headers[n] for n in places],
        pixel_array=voxels,
        segmentation_type="BINARY",
        segment_descriptions=[describe(described[value], n) for n, value in enumerate(values, start=1)],
        series_instance_uid=made.uid("series"),
        sop_instance_uid=made.uid("instance"),
        series_number=SERIES_NUMBER,
        series_description="Corrected segments (not for diagnosis)",
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        manufacturer=original.Manufacturer,
        manufacturer_model_name=original.ManufacturerModelName,
        # A list, as pydicom warns of a tuple
        software_versions=list(original.SoftwareVersions),  # type: ignore[arg-type]
        device_serial_number=original.DeviceSerialNumber,
        **content_attributes(made.made_at, CORRECTED, f"{made.who[: LONG_STRING - 1]}^"),
    )
    copy_identity(header, dataset)
    name_sources(dataset, series)
    name_original(dataset, original)
    dataset.ContentQualification = "RESEARCH"
    name_dimensions(dataset, made.uid("dimensions"))
    return dataset


def describe_splits(items: Sequence[Dataset], made: Corrected) -> dict[int, Dataset]:
    """Returns the description of each segment by its value, those of a bone one after another."""
    described = {int(item.SegmentNumber): item for item in items}
    for value, of in made.splits.items():
        bone, fragment = name_of(described[of])
        if fragment is None:
            described[of] = describe_fragment(described[of], 1, made)
        own = [number or 1 for name, number in map(name_of, described.values()) if name == bone]
        colours = [colour_of(item) for item in described.values()]
        described[value] = describe_fragment(described[of], max(own) + 1, made)
        colour = CIELabColor.from_rgb(*colours_beside(colours, 1)[0])
        described[value].RecommendedDisplayCIELabValue = list(colour.value)
    bones = [name_of(item)[0] for item in described.values()]
    return dict(sorted(described.items(), key=lambda each: bones.index(name_of(each[1])[0])))


def name_of(item: Dataset) -> tuple[str, int | None]:
    """Returns the bone and the number of the fragment that a description is of."""
    return bone_and_fragment(str(item.get("TrackingID", item.SegmentLabel)))


def describe_fragment(item: Dataset, number: int, made: Corrected) -> Dataset:
    """Returns the description of the n-th fragment of a segment's bone, under a tracking UID of its own."""
    bone, fragment = name_of(item)
    new, side = deepcopy(item), side_of(item)
    if fragment is None:
        kind = code_of(item.SegmentedPropertyTypeCodeSequence[0])
        new.AnatomicRegionSequence = item.get("AnatomicRegionSequence") or [concept(kind)]
        new.SegmentedPropertyCategoryCodeSequence = [concept(LESION)]
        new.SegmentedPropertyTypeCodeSequence = [concept(FRACTURE)]
        if side is not None:
            new.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    new.SegmentLabel = f"{NUMBERED.sub('', item.SegmentLabel)} fragment {number}"[:LONG_STRING]
    new.TrackingID, new.TrackingUID = f"{bone}{FRAGMENT}{number}", made.uid("tracking", bone, str(number))
    return new


def describe(item: Dataset, number: int) -> SegmentDescription:
    """Returns the original's description under a new number; the tracking UID stays."""
    description = SegmentDescription.from_dataset(item)
    description.SegmentNumber = number
    description.SegmentAlgorithmType = "SEMIAUTOMATIC"
    # Probabilities are those of the prediction
    if "SegmentDescription" in description:
        del description.SegmentDescription
    return description


def name_original(dataset: Dataset, original: Dataset) -> None:
    """Refers to the SEG that is corrected, after the images (PS3.3 C.12.2)."""
    source, within = Dataset(), Dataset()
    for item in (source, within):
        item.ReferencedSOPClassUID = original.SOPClassUID
        item.ReferencedSOPInstanceUID = original.SOPInstanceUID
    source.PurposeOfReferenceCodeSequence = [concept(PROCESSED)]
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = original.SeriesInstanceUID, [within]
    dataset.SourceImageSequence = [*dataset.SourceImageSequence, source]
    dataset.ReferencedSeriesSequence = [*dataset.ReferencedSeriesSequence, series]
