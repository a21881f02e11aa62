"""Bones of a published anatomy network go through the shared fracture network as Osteon's own do."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.fragments.evidence import FractureEvidence
from operators.geometry.volume import CtVolume, Grid
from operators.importing.shared_fracture import shared_fracture
from operators.measure.measuring import measure_segments
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.networks.windows.labelled_scan import LabelledScan
from operators.package_files.package_reader import package_of
from operators.packages.plans import NnUNetFragmentsPackage
from operators.pipelines import coarse_to_fine
from operators.pipelines.network_output import NetworkOutput
from operators.pipelines.nnunet_fragments import split_bones
from tests.support.training.training_cases import ROOT

SHAPE = (40, 30, 60)
HUMERUS, CLAVICLE, HIP = 3, 5, 9
ROWS = [
    {"name": "humerus_left", "structure": "humerus", "side": "left", "value": HUMERUS},
    {"name": "clavicula_left", "structure": "clavicle", "side": "left", "value": CLAVICLE},
    {"name": "hip_left", "structure": "hip", "side": "left", "value": HIP},
]
NNUNET = """
name = "made"
version = "1"
title = "Made"
algorithm_name = "Made"
origin = { format = "nnU-Net v2", dataset = "d", configuration = "c", trainer = "t" }
folds = [{ name = "fold_0", weights = "fold_0.safetensors", sha256 = "00" }]

[accepts]
modalities = ["CT"]
sop_class_uids = ["1.2.840.10008.5.1.4.1.1.2"]
body_parts = []
minimum_slices = 5
minimum_extent_mm = 20.0
maximum_slice_spacing_mm = 6.0
maximum_pixel_spacing_mm = 3.0

[network]
architecture = "nnunet_plain"
arguments = {}
spacing_mm = [1.5, 1.5, 1.5]
patch = [32, 32, 32]
window_hu = [-1000.0, 1000.0]
classes = ["background", "a", "b", "c", "d", "e", "f", "g", "h", "i"]

[recipe]
orientation = "LPS"
transpose = [0, 1, 2]
image = { order = 3 }
output = { order = 1 }
"""


def made_package() -> NnUNetFragmentsPackage:
    shared = shared_fracture(ROOT / "models")
    tables = {**tomllib.loads(NNUNET), **shared.package(ROWS)}
    tables["networks"] = {"fracture": shared.network(ROOT / "models", ROOT / "models" / "made")}
    package = package_of(tables, ROOT / "models" / "made")
    assert isinstance(package, NnUNetFragmentsPackage)
    return package


def output(labels: NDArray[np.uint8]) -> NetworkOutput[NnUNetFragmentsPackage]:
    """What the anatomy network says of a scan in which only the labels are dense, but for a gap in each."""
    hu = np.where(labels > 0, 700, 40).astype(np.int16)
    hu[:, :, 29:31] = 40
    source = CtVolume(hu, Grid(SHAPE, np.diag([1.5, 1.5, 1.5, 1])))
    found = LabelledScan(labels, np.bincount(labels.ravel(), minlength=256), {HUMERUS: 0.9, CLAVICLE: 0.8})
    return NetworkOutput(source, found, (), made_package())


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[FractureEvidence]:
    """A fracture network that sees a break across the upper half of every bone; returns what it was asked."""
    asked: list[FractureEvidence] = []

    def evidence(block: coarse_to_fine.Block, *_: object) -> FractureEvidence:
        contact = np.zeros(block.mask.shape, np.float32)
        middle = block.mask.shape[2] // 2
        contact[:, :, middle - 1 : middle + 1] = block.mask[:, :, middle - 1 : middle + 1]
        asked.append(FractureEvidence(block.mask, block.others, contact, block.hu, block.grid.spacing_mm[0]))
        return asked[-1]

    monkeypatch.setattr(coarse_to_fine, "fracture_evidence", evidence)
    return asked


def scan() -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:17, 8:20, 4:56] = HUMERUS
    labels[24:34, 8:14, 10:40] = CLAVICLE
    return labels


def test_a_bone_is_split_named_and_measured_and_another_stays_whole(broken: list[FractureEvidence]) -> None:
    made = split_bones(output(scan()), Networks(Device()), lambda *_: None)
    assert len(broken) == 1
    assert broken[0].bone.sum() * 1.2**3 == pytest.approx((scan() == HUMERUS).sum() * 1.5**3, rel=0.1)
    first, second, whole = made.segments
    assert (first.bone, first.value, first.fragment) == ("humerus_left", 1, 1)
    assert (second.bone, second.value, second.fragment) == ("humerus_left", 2, 2)
    assert (whole.bone, whole.value, whole.fragment) == ("clavicula_left", 11, None)
    assert first.fracture_probability is not None
    assert first.fracture_probability > 0.5
    assert whole.fracture_probability is None
    np.testing.assert_array_equal(made.label_map.labels > 0, scan() > 0)
    measured = measure_segments(made)
    rows = {row.value: row for row in measured.measurements}
    assert rows[1].gap is not None
    assert rows[11].gap is None


def test_bones_of_each_kind_have_the_measurements_and_names_of_those_that_deliver_them() -> None:
    package = made_package()
    assert package.names == "neer_parts"
    assert {"gap", "displacement", "neck_shaft_angle"} <= set(package.measurements)
    spans = [(label.name, label.first_value, label.last_value) for label in package.labels]
    assert spans == [("humerus_left", 1, 10), ("clavicula_left", 11, 11), ("hip_left", 12, 21)]
    assert package.confidence.bone == ()
    assert package.operating_point == "specific"


def test_a_scan_without_a_bone_is_refused(broken: list[FractureEvidence]) -> None:
    with pytest.raises(UnsuitableError, match="no Made found"):
        split_bones(output(np.zeros(SHAPE, np.uint8)), Networks(Device()), lambda *_: None)
    assert not broken


def test_a_network_of_other_classes_is_no_fracture_network() -> None:
    shared = shared_fracture(ROOT / "models")
    tables = {**tomllib.loads(NNUNET), **shared.package(ROWS)}
    row = shared.network(ROOT / "models", ROOT / "models" / "made")
    tables["networks"] = {"fracture": row | {"classes": ["background", "main", "rest"]}}
    with pytest.raises(ValueError, match=r"networks\.fracture\.classes: expected"):
        package_of(tables, ROOT / "models" / "made")
