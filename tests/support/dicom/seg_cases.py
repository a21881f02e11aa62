"""Small CT series and segmentations for the tests of DICOM SEG."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.provenance import Provenance
from operators.geometry.volume import Grid, LabelMap
from operators.packages.coarse_to_fine import CoarseToFinePackage, FragmentRules
from operators.packages.packages import Acceptance, ModelPackage, NetworkSpec
from operators.packages.structures import Code
from operators.segmentation.segmentation import Segment, Segmentation

MADE_AT = datetime(2026, 3, 4, 5, 6, 7)
BONE = Code("29836001", "SCT", "Hip")
LEFT = Code("7771000", "SCT", "Left")
ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
LESION = Code("49755003", "SCT", "Morphologically Abnormal Structure")
FRACTURE = Code("72704001", "SCT", "Fracture")


def package(sha256: str = "ab" * 32) -> ModelPackage:
    network = NetworkSpec("n", "unet", {}, Path("w"), sha256, (1.0,) * 3, (8,) * 3, (0.0, 1.0), ("none",))
    accepts = Acceptance(("CT",), (CTImageStorage,), (), 1, 1.0, 5.0, 5.0)
    rules = FragmentRules("components", 1.0, 0.5, (0.5,))
    return CoarseToFinePackage(
        name="bones",
        version="1.2.0",
        title="Bones and fragments",
        algorithm_name="Osteon bones",
        accepts=accepts,
        coarse=network,
        fine=network,
        fracture=network,
        labels=(),
        fragments=rules,
        folder=Path(),
    )


def bone(value: int, fragment: int | None = None, laterality: Code | None = LEFT) -> Segment:
    broken = fragment is not None
    return Segment(
        value=value,
        bone="left_hip_bone",
        label=f"Left hip bone{f', fragment {fragment}' if broken else ''}",
        fragment=fragment,
        category=LESION if broken else ANATOMY,
        type=FRACTURE if broken else BONE,
        region=BONE,
        laterality=laterality,
        rgb=(241, 214, 145),
        volume_ml=1.0,
        network_mean=0.9,
    )


def header(**changes: Any) -> Dataset:
    """Returns a CT header; an attribute given as None is left out."""
    dataset = Dataset()
    given = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.1",
        "StudyInstanceUID": "1.2.1",
        "SeriesInstanceUID": "1.2.2",
        "FrameOfReferenceUID": "1.2.4",
        "Modality": "CT",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientBirthDate": "19700102",
        "PatientSex": "F",
        "StudyDate": "20260102",
        "StudyTime": "101112",
        "StudyID": "S1",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": "Ray^X",
        "SliceThickness": "2.5",
        "Manufacturer": "Maker",
    } | changes
    for keyword, value in given.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def grid(shape: tuple[int, int, int] = (13, 9, 7), axes: NDArray[np.float64] | None = None) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([0.75, 0.5, 2.5]) if axes is None else axes
    affine[:3, 3] = (-31.25, 12.5, -100.75)
    return Grid(shape, affine, "1.2.4")


def series(on: Grid, dataset: Dataset | None = None, ks: tuple[float, ...] | None = None) -> Series:
    """Returns a series of single-frame instances at the slices `ks` of the grid (default all)."""
    indices = tuple(float(k) for k in range(on.shape[2])) if ks is None else ks
    frames = tuple(
        Frame(
            path=Path(f"{n}.dcm"),
            sop_instance_uid=f"1.2.3.{n + 1}",
            frame_number=None,
            k=k,
            position_lps_mm=tuple((on.ijk_to_lps @ [0, 0, k, 1])[:3].tolist()),
        )
        for n, k in enumerate(indices)
    )
    known: dict[str, Any] = {
        "study_instance_uid": "1.2.1",
        "series_instance_uid": "1.2.2",
        "sop_class_uid": CTImageStorage,
        "modality": "CT",
        "description": "",
        "frames": frames,
        "grid": on,
        "header": dataset or header(),
    }
    given: dict[str, Any] = {field.name: known.get(field.name) for field in fields(Series)}
    return Series(**given)


def multi_frame(on: Grid) -> Series:
    """Returns a series of one instance with all slices of the grid."""
    single = series(on)
    numbered = enumerate(single.frames, start=1)
    frames = tuple(replace(frame, sop_instance_uid="1.2.3.1", frame_number=n) for n, frame in numbered)
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    return replace(single, frames=frames, sop_class_uid=enhanced, header=header(SOPClassUID=enhanced))


def segmentation(labels: NDArray[np.uint8], on: Grid, *segments: Segment) -> Segmentation:
    return Segmentation(LabelMap(labels, on), segments, package())


def provenance(made: Segmentation, source: Series, version: str = "0.1.0", revision: int = 1) -> Provenance:
    return Provenance(source, made.package, MADE_AT, version, revision, made.network_runs)


def blobs(shape: tuple[int, int, int] = (13, 9, 7)) -> NDArray[np.uint8]:
    """Returns labels 11 and 12 without mirror or transposition symmetry; slice 3 is empty."""
    labels = np.zeros(shape, dtype=np.uint8)
    labels[2:6, 1:4, 1:3] = 11
    labels[7:9, 5:8, 4:6] = 12
    labels[10, 2, 5] = 12
    return labels


def points_mm(label_map: LabelMap, value: int) -> NDArray[np.float64]:
    """Returns the voxel centres of a label (LPS), in a fixed order."""
    voxels = np.argwhere(label_map.labels == value)
    points = voxels @ label_map.grid.ijk_to_lps[:3, :3].T + label_map.grid.ijk_to_lps[:3, 3]
    return points[np.lexsort(points.round(3).T)]
