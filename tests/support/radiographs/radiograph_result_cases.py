"""Small synthetic radiographs with answers, for tests of the results."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage

from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.provenance import Provenance
from operators.geometry.projection import Projection, ProjectionSpacing
from operators.geometry.value_notes import Note
from operators.geometry.volume import LabelMap
from operators.packages.packages import Acceptance, NetworkSpec
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.packages.structures import LATERALITY, Code
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer, Recognised, Verdict
from operators.segmentation.segmentation import Flag, NetworkRun, Segment, Segmentation
from operators.segmentation.segments import FRACTURE, LESION
from tests.support.dicom.seg_cases import header as ct_header

MADE_AT = datetime(2026, 3, 4, 5, 6, 7)
# Rows and columns whose product is no multiple of 8: frames share bytes
ODD = (455, 373)
HAND = Code("85562004", "SCT", "Hand")
COLOURS = ((255, 90, 60), (60, 200, 255), (250, 220, 60))
CALIBRATED = ProjectionSpacing(0.2, 0.25, "patient", "PixelSpacing")
ON_DETECTOR = ProjectionSpacing(0.2, 0.2, "detector", "ImagerPixelSpacing")


def package(sha256: str = "ab" * 32) -> RadiographPackage:
    fold = NetworkSpec("fold", "unet", {}, Path("w"), sha256, (1.0, 1.0), (64, 64), (0.0, 1.0), ("none",))
    return RadiographPackage(
        name="fractures",
        version="0.3.0",
        title="Fractures in radiographs",
        algorithm_name="Osteon radiographs",
        accepts=Acceptance(("CR", "DX"), (ComputedRadiographyImageStorage,), (), 1, 0.0, 5.0, 5.0),
        labels=(),
        folder=Path(),
        folds=(fold,),
        decision=RadiographDecision(
            (0.0, 1.0), (0.0, 1.0), 0.5, 0.5, 4, {"balanced": 0.31}, 0.05, 2.0, "made-up images"
        ),
        attributes=("hand", "hardware", "multiscan", "frontal", "lateral", "oblique"),
        body_parts={"hand": HAND},
        views=("frontal", "lateral", "oblique"),
    )


def grey(shape: tuple[int, int] = ODD) -> NDArray[np.float32]:
    """A limb with one bone."""
    columns = shape[1]
    image = np.full(shape, 0.05, np.float32)
    image[:, columns // 4 : 3 * columns // 4] = 0.4
    image[:, 2 * columns // 5 : 3 * columns // 5] = 0.8
    return image


def projection(
    shape: tuple[int, int] = ODD,
    spacing: ProjectionSpacing | None = CALIBRATED,
    laterality: str = "left",
    notes: tuple[Note, ...] = (),
) -> Projection:
    return Projection(grey(shape), spacing, laterality, "AP", "HAND", notes)


def made(
    count: int = 1,
    image: Projection | None = None,
    verdict: Verdict | None = None,
    flags: tuple[Flag, ...] = (),
    weights: str = "ab" * 32,
) -> Segmentation:
    """Asymmetric findings of different sizes."""
    image = image or projection()
    rows, columns = image.grey.shape
    labels = np.zeros((columns, rows, 1), np.uint8)
    findings = []
    for value in range(1, count + 1):
        top, left = value * rows // (count + 2), columns // 3 + 3 * value
        box = (top, left, top + 9 + value, left + 20 + 2 * value)
        labels[box[1] : box[3], box[0] : box[2], 0] = value
        labels[box[1], box[0], 0] = 0
        area = int((labels == value).sum())
        area_mm2 = area * image.spacing.pixel_area_mm2 if image.spacing else None
        findings.append(FractureFinding(value, (0.87, 0.62, 0.55)[value - 1], box, area, area_mm2))
    heat = np.zeros((rows, columns), np.float32)
    for finding in findings:
        top, left, bottom, right = finding.box
        heat[top:bottom, left:right] = finding.probability
    answer = RadiographAnswer(
        verdict=verdict or (Verdict.FRACTURE if count else Verdict.NO_FRACTURE),
        probability=0.87 if count else 0.04,
        operating_point="balanced",
        threshold=0.31,
        uncertain=(0.26, 0.36),
        body_part=Recognised("hand", 0.98),
        view=Recognised("frontal", 0.9),
        hardware=0.02,
        laterality=image.laterality or "unknown",
        findings=tuple(findings),
        heat_map=heat,
    )
    segments = tuple(segment(finding, image.laterality) for finding in findings)
    runs = (NetworkRun("fold", "openvino", "float32", "own", (64, 64), 0.0),)
    return Segmentation(
        LabelMap(labels, image.grid),
        segments,
        package(weights),
        network_runs=runs,
        flags=flags,
        answer=answer,
    )


def segment(finding: FractureFinding, laterality: str) -> Segment:
    return Segment(
        value=finding.value,
        bone=f"fracture {finding.value}",
        label=f"Fracture {finding.value}",
        fragment=None,
        category=LESION,
        type=FRACTURE,
        region=HAND,
        laterality=next((code for side, code in LATERALITY.items() if side == laterality), None),
        rgb=COLOURS[finding.value - 1],
        volume_ml=0.0,
        network_mean=0.7,
        bone_probability=finding.probability,
    )


def header(**changes: Any) -> Dataset:
    """A radiograph's header; an attribute given as None is left out."""
    given = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": "1.2.3.1",
        "Modality": "CR",
        "FrameOfReferenceUID": None,
        "SliceThickness": None,
        "BodyPartExamined": "HAND",
        "ViewPosition": "AP",
        "Laterality": "L",
        "PatientOrientation": ["L", "F"],
    }
    return ct_header(**(given | changes))


def series(shape: tuple[int, int] = ODD, frame_number: int | None = None, **changes: Any) -> Series:
    """One radiograph, as it is read."""
    dataset = header(**changes)
    image = projection(shape)
    known: dict[str, Any] = {
        "study_instance_uid": "1.2.1",
        "series_instance_uid": "1.2.2",
        "sop_class_uid": str(dataset.SOPClassUID),
        "modality": "CR",
        "description": "",
        "body_part": "HAND",
        "rows": shape[0],
        "columns": shape[1],
        "frames": (Frame(Path("1.dcm"), "1.2.3.1", frame_number, (0.0, 0.0, 0.0), 0.0),),
        "grid": image.grid,
        "frame_of_reference_uid": "",
        "image_type": (),
        "part": "",
        "warnings": (),
        "header": dataset,
    }
    given: dict[str, Any] = {field.name: known.get(field.name) for field in fields(Series)}
    return Series(**given)


def provenance(made: Segmentation, source: Series | None = None, revision: int = 1) -> Provenance:
    return Provenance(source or series(), made.package, MADE_AT, "0.1.0", revision, made.network_runs)
