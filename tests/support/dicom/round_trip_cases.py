"""Segmentations of three segments, written by other software in its own format."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from operators.geometry.volume import Grid, LabelMap
from operators.image_files.label_files import Labelled
from operators.packages.packages import Label
from operators.packages.structures import Code
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import BONE, LEFT, bone, points_mm
from tests.support.node.node_cases import system_tool
from tests.support.packages.labels import made_label

RIGHT = Code("24028007", "SCT", "Right")
TISSUE = {"CodeValue": "85756007", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Tissue"}
SHAPE, AFFINE = (24, 20, 12), phantoms.axial_affine((1.5, 1.2, 2.5), (-20.0, -10.0, 30.0))


def label(name: str, meaning: str, first: int, side: Code) -> Label:
    return made_label(name, meaning, first, first + 9, side, type_=BONE)


LABELS = (
    label("left_hip_bone", "Left hip bone", 11, LEFT),
    label("right_hip_bone", "Right hip bone", 21, RIGHT),
)
SEGMENTS = (
    bone(11, fragment=1),
    bone(12, fragment=2),
    replace(bone(21, laterality=RIGHT), bone="right_hip_bone", label="Right hip bone"),
)


def labels_drawn() -> NDArray[np.uint8]:
    """Returns two touching fragments, the first with a hole, and another bone."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:12, 4:10, 2:7] = 11
    labels[6:8, 6:8, 3] = 0
    labels[12:15, 4:12, 4:8] = 12
    labels[16:22, 13:19, 1:10] = 21
    return labels


def assert_came_back(
    read: Labelled, grid: Grid, expected: NDArray[np.uint8] | NDArray[np.uint16] | None = None
) -> None:
    """Asserts that every voxel of every value is at its place in the patient."""
    label_map, notes = read
    truth = LabelMap(labels_drawn() if expected is None else expected, grid)
    assert notes == ()
    assert set(np.unique(label_map.labels)) == set(np.unique(truth.labels))
    for value in np.unique(truth.labels)[1:]:
        np.testing.assert_allclose(points_mm(label_map, value), points_mm(truth, value), atol=1e-3)


def image(labels: NDArray[np.uint8]) -> SimpleITK.Image:
    made = SimpleITK.GetImageFromArray(labels.transpose())
    made.SetSpacing((1.5, 1.2, 2.5))
    made.SetOrigin((-20.0, -10.0, 30.0))
    return made


def renumbered(**values: int) -> NDArray[np.uint8]:
    """Returns the labels with other values: `v11=2` makes 11 a 2."""
    labels = labels_drawn()
    table = np.zeros(256, np.uint8)
    for name, value in values.items():
        table[int(name[1:])] = value
    return table[labels]


def dcmqi_seg(folder: Path, labels: NDArray[np.uint8], segments: list[dict[str, Any]]) -> Path:
    """Writes a SEG with dcmqi's itkimage2segimage, as 3D Slicer does, from segments in its JSON form."""
    SimpleITK.WriteImage(image(labels), str(folder / "labels.nrrd"))
    kinds: dict[str, Any] = {"SegmentAlgorithmType": "MANUAL", "recommendedDisplayRGBValue": [1, 200, 3]}
    kinds |= {"SegmentedPropertyCategoryCodeSequence": TISSUE, "SegmentedPropertyTypeCodeSequence": TISSUE}
    said = {
        "ContentCreatorName": "Reader1",
        "ClinicalTrialSeriesID": "1",
        "ClinicalTrialTimePointID": "1",
        "SeriesDescription": "Segmentation",
        "SeriesNumber": "300",
        "InstanceNumber": "1",
        "segmentAttributes": [[kinds | segment for segment in segments]],
    }
    (folder / "meta.json").write_text(json.dumps(said))
    command: list[str | Path] = [
        Path(sys.executable).parent / "itkimage2segimage",
        "--inputImageList",
        folder / "labels.nrrd",
        "--inputDICOMDirectory",
        folder / "ct",
        "--outputDICOM",
        folder / "edited.dcm",
        "--inputMetadata",
        folder / "meta.json",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "edited.dcm"


def coded(code: Code) -> dict[str, str]:
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.scheme, "CodeMeaning": code.meaning}


def hip(side: Code) -> dict[str, Any]:
    return {
        "SegmentedPropertyTypeCodeSequence": coded(BONE),
        "SegmentedPropertyTypeModifierCodeSequence": coded(side),
    }


def plastimatch_rtstruct(folder: Path, names: list[str]) -> Path:
    """Writes an RTSTRUCT with contours of the labels 1, 2, ... by plastimatch."""
    SimpleITK.WriteImage(image(renumbered(v11=1, v12=2, v21=4)), str(folder / "labels.nrrd"))
    rows = [f"{bit}|255\\0\\0|{name}\n" for bit, name in enumerate(names)]
    (folder / "names.txt").write_text("".join(rows))
    command: list[str | Path] = [
        system_tool("plastimatch"),
        "convert",
        "--input-ss-img",
        folder / "labels.nrrd",
        "--input-ss-list",
        folder / "names.txt",
        "--output-dicom",
        folder / "rt",
        "--referenced-ct",
        folder / "ct",
    ]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = (folder / "rt").glob("rtss*.dcm")
    return path
