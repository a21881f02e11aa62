"""Recovers source series, algorithm and segments from an Osteon SEG, for re-encoding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from operators.dicom.elements.attributes import items, uid
from operators.dicom.elements.image_classes import is_projection
from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.provenance import MANUFACTURER, MARK, Provenance
from operators.dicom.seg.corrected_seg import CORRECTED
from operators.dicom.seg.seg_geometry import placement_of
from operators.dicom.seg.seg_reader import SegmentInfo, read_seg
from operators.dicom.seg.seg_writer import SERIES_NUMBER
from operators.errors import UnsuitableError
from operators.geometry.volume import Grid
from operators.packages.packages import Acceptance, ModelPackage, NetworkSpec
from operators.segmentation.segmentation import Correction, Segment, Segmentation

# As written by `provenance.parameters`
WEIGHTS = re.compile(r"(\w+) sha256\W+([0-9a-f]{64})")
# As written by `Provenance.description`
SOURCE_NUMBER = re.compile(r", series (\d+)")
NOTHING_ACCEPTED = Acceptance((), (), (), 0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PackageOfSeg(ModelPackage):
    """A package of which only its names and its weights' checksums are known."""

    weights: tuple[tuple[str, str], ...] = ()

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """Returns networks with names and checksums only."""
        return tuple(
            NetworkSpec(name, "", {}, Path(), sha256, (), (), (0.0, 0.0), ()) for name, sha256 in self.weights
        )


@dataclass(frozen=True)
class PackageOfProjectionSeg(PackageOfSeg):
    """The same for a package that reads radiographs."""

    reads: ClassVar[str] = "projection"


def read_provenance(path: Path) -> tuple[Segmentation, Provenance]:
    """Returns the segmentation of a SEG, without volumes, and its provenance. Raises UnreadableError, or
    UnsuitableError for a SEG that is not Osteon's, whose algorithm would have to be invented.

    Tracking UIDs are the SEG's own, which the report names too. Other UIDs are not those of the run that
    wrote the SEG, which depend on slices without a segment, on the package's options and on how the networks
    were run: a SEG does not state all of these.
    """
    label_map, infos = read_seg(path)
    dataset = dcmread(path, stop_before_pixels=True)
    if dataset.get("Manufacturer") != MANUFACTURER:
        raise UnsuitableError("expected a SEG that Osteon wrote, got another's", code="not_own")
    tracking_uids = {item.TrackingID: item.TrackingUID for item in dataset.SegmentSequence}
    is_corrected = dataset.ContentLabel == CORRECTED
    correction = Correction(str(dataset.SOPInstanceUID), tracking_uids) if is_corrected else None
    revision = 1 if is_corrected else int(dataset.SeriesNumber) - SERIES_NUMBER + 1
    number = SOURCE_NUMBER.search(str(dataset.SeriesDescription))
    dataset.SeriesNumber = number[1] if number else None  # as in the source's own header
    package = package_of(dataset)
    provenance = Provenance(
        series_of(dataset, label_map.grid),
        package,
        datetime.combine(DA(dataset.ContentDate), TM(dataset.ContentTime)),
        str(dataset.SoftwareVersions[0]),
        revision,
        correction=correction,
        tracking_uids=tracking_uids,
    )
    made = Segmentation(label_map, tuple(map(segment_of, infos)), package, correction=correction)
    return made, provenance


def package_of(dataset: Dataset) -> PackageOfSeg:
    """Recovers the algorithm of the SEG."""
    algorithm = dataset.SegmentSequence[-1].SegmentationAlgorithmIdentificationSequence[0]
    source = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    kind = PackageOfProjectionSeg if is_projection(str(source.ReferencedSOPClassUID)) else PackageOfSeg
    return kind(
        name=str(dataset.SoftwareVersions[1]).partition(" ")[0],
        version=str(algorithm.AlgorithmVersion),
        title=str(dataset.SeriesDescription).removeprefix(MARK).partition(" segments")[0],
        algorithm_name=str(algorithm.AlgorithmName),
        accepts=NOTHING_ACCEPTED,
        labels=(),
        folder=Path(),
        weights=tuple(WEIGHTS.findall(str(algorithm.get("AlgorithmParameters", "")))),
    )


def series_of(dataset: Dataset, grid: Grid) -> Series:
    """Recovers the source series, of which a SEG references the slices that hold a segment."""
    source = dataset.ReferencedSeriesSequence[0]
    return Series(
        study_instance_uid=uid((dataset,), "StudyInstanceUID"),
        series_instance_uid=uid((source,), "SeriesInstanceUID"),
        sop_class_uid=uid((source.ReferencedInstanceSequence[0],), "ReferencedSOPClassUID"),
        rows=grid.shape[1],
        columns=grid.shape[0],
        frames=frames_of(dataset, series_by_instance(dataset)),
        grid=grid,
        frame_of_reference_uid=grid.frame_of_reference_uid,
        header=dataset,
    )


def series_by_instance(dataset: Dataset) -> dict[str, str]:
    """Returns the SeriesInstanceUID of each segmented instance: one scan may be stored under several."""
    return {
        uid((instance,), "ReferencedSOPInstanceUID"): uid((series,), "SeriesInstanceUID")
        for series in dataset.ReferencedSeriesSequence
        for instance in series.ReferencedInstanceSequence
    }


def frames_of(dataset: Dataset, series_uids: Mapping[str, str]) -> tuple[Frame, ...]:
    """Returns each slice once, in their order."""
    frames = {}
    for k, group in zip(placement_of(dataset).slices, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        number = source.get("ReferencedFrameNumber")
        place = items(group, "PlanePositionSequence")
        x, y, z = map(float, place[0].ImagePositionPatient) if place else (0.0, 0.0, 0.0)
        named = uid((source,), "ReferencedSOPInstanceUID")
        frames[k] = Frame(
            Path(),
            named,
            None if number is None else int(number),
            (x, y, z),
            float(k),
            series_instance_uid=series_uids.get(named, ""),
        )
    return tuple(frames[k] for k in sorted(frames))


def segment_of(info: SegmentInfo) -> Segment:
    """Recovers a segment, without the values that a SEG does not hold as numbers."""
    return Segment(
        info.value,
        info.bone,
        info.label,
        info.fragment,
        info.category,
        info.type,
        info.region,
        info.laterality,
        info.rgb,
        volume_ml=0.0,
        network_mean=0.0,
    )
