"""The whole pipeline as a user and a MAP runner call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.color import CIELabColor
from PIL import Image

from app.evaluation.comparison import run_evaluation
from app.settings import ROOT
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_reader import read_seg_on
from operators.dicom.select.selection import Selection, select
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_packages
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.pipelines import coarse_to_fine as pipeline
from tests.service.end_to_end.conftest import Finished
from tests.support.dicom import phantoms
from tests.support.dicom.validator import errors_in
from tests.support.packages.synthetic_packages import write_package

# Of 255: what a colour differs from grey by; cosine between the tints of one hue; pixels of a segment
LEAST_TINT, ALIKE, LEAST_PIXELS = 20.0, 0.98, 500


def silent(step: str, done: float) -> None:
    """Shows nothing."""


def test_the_packaged_folder_runs_and_ends_with_0(packaged_run: Finished) -> None:
    assert packaged_run.returncode == 0, packaged_run.errors
    assert "Traceback" not in packaged_run.errors


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small package in `models`, a scan in `in`, and what `python <folder>` made of both in `named`."""
    root = tmp_path_factory.mktemp("small")
    write_package(root / "models" / "bones", sees_bone=True)
    affine = phantoms.axial_affine((2.0, 2.0, 2.0))
    phantoms.write_ct(root / "in", phantoms.position_volume((64, 64, 32), affine), affine)
    given: list[str | Path] = ["-i", root / "in", "-o", root / "named", "-m", root / "models"]
    subprocess.run([sys.executable, ROOT, *given], check=True, cwd=root)
    return root


def test_the_graph_gives_exactly_the_labels_of_the_plain_path(small: Path) -> None:
    packages = read_packages(small / "models")
    (selection,) = (s for s in select(scan(small / "in"), packages) if isinstance(s, Selection))
    volume = read_volume(selection.series)
    assert isinstance(selection.package, CoarseToFinePackage)
    plain = pipeline.segment(volume, selection.package, Networks(Device()), silent)
    delivered = read_seg_on(small / "named" / "segmentation.dcm", volume.grid)
    numbers = {0: 0} | {s.value: n for n, s in enumerate(plain.segments, start=1)}
    table = np.array([numbers.get(value, 255) for value in range(256)], np.uint8)
    np.testing.assert_array_equal(delivered.labels, table[plain.label_map.labels])
    assert delivered.labels.any()


def test_paths_from_the_environment_give_the_same_result(small: Path) -> None:
    variables = {
        "HOLOSCAN_INPUT_PATH": str(small / "in"),
        "HOLOSCAN_OUTPUT_PATH": str(small / "environment"),
        "HOLOSCAN_MODEL_PATH": str(small / "models"),
    }
    command = [str(Path(sys.executable).parent / "osteon"), "run"]
    subprocess.run(command, check=True, cwd=small, env=os.environ | variables)
    ours, theirs = (pydicom.dcmread(small / name / "segmentation.dcm") for name in ("named", "environment"))
    assert ours.SOPInstanceUID == theirs.SOPInstanceUID
    assert ours.PixelData == theirs.PixelData


def test_the_broken_hip_bone_of_the_phantom_is_split_and_no_fracture_is_invented(
    packaged_run: Finished,
) -> None:
    (package,) = [each for each in read_packages(ROOT / "models") if each.name == "pelvis"]
    (result,) = run_evaluation(packaged_run.output / "segmentation.dcm", packaged_run.truth, package.labels)
    bones = {bone.name: bone for bone in result.metrics.bones}
    assert set(bones) == {"sacrum", "hip_left", "hip_right"}
    assert min(bone.anatomy.iou for bone in bones.values()) > 0.85
    # Of its three fragments two are joined: the level of the bundled networks on this phantom
    assert bones["hip_left"].detection.true_fragments == 3
    assert bones["hip_left"].detection.found >= 2
    assert bones["hip_right"].detection.predicted_fragments == 1
    assert result.metrics.false_fragments == 0


def test_the_report_says_what_was_done_with_what_and_for_how_long(packaged_run: Finished) -> None:
    report = json.loads((packaged_run.output / "report.json").read_text())
    (series,) = report["series"]
    assert series["decision"] == "selected"
    assert {stage["name"] for stage in series["stages"]} == {
        "select",
        "read",
        "resample",
        "anatomy",
        "fractures",
        "write",
        "measure",
        "report",
        "pictures",
        "page",
        "fallbacks",
    }
    assert series["others"] == {
        "kos": "key-objects.dcm",
        "rtstruct": "structures.dcm",
        "summary": "summary.dcm",
        "pdf": "summary-pdf.dcm",
        "text": "text-report.dcm",
    }
    assert all(segment["volume_ml"] > 0 for segment in series["segments"])
    assert all(len(network["sha256"]) == 64 for model in report["models"] for network in model["networks"])
    assert "Phantom" not in json.dumps(report)
    assert "Phantom" not in (packaged_run.output / series["page"]).read_text(encoding="utf-8")


def test_the_seg_names_its_segments_as_the_report_does(packaged_run: Finished) -> None:
    segments = pydicom.dcmread(packaged_run.output / "segmentation.dcm").SegmentSequence
    report = json.loads((packaged_run.output / "report.json").read_text(encoding="utf-8"))
    assert [each.SegmentLabel for each in segments] == [
        each["label"] for each in report["series"][0]["segments"]
    ]


def test_the_preview_shows_every_segment_in_its_colour(packaged_run: Finished) -> None:
    picture = np.asarray(Image.open(packaged_run.output / "preview.png"), np.float64)
    tints = picture - picture.mean(axis=-1, keepdims=True)
    tinted = tints[np.linalg.norm(tints, axis=-1) > LEAST_TINT]
    segments = pydicom.dcmread(packaged_run.output / "segmentation.dcm").SegmentSequence
    for segment in segments:
        colour = CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb(clip=True)
        hue = np.subtract(colour, np.mean(colour))
        alike = tinted @ hue > ALIKE * np.linalg.norm(tinted, axis=-1) * np.linalg.norm(hue)
        assert np.count_nonzero(alike) > LEAST_PIXELS, segment.SegmentLabel


RESULTS = (
    "segmentation.dcm", "measurements.dcm", "pictures/1.dcm", "turntable/1.dcm", "turntable/12.dcm",
    "key-objects.dcm", "structures.dcm", "summary.dcm", "summary-pdf.dcm",
    "text-report.dcm",
)  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_what_is_sent_has_no_errors_for_dciodvfy(packaged_run: Finished, name: str) -> None:
    assert (packaged_run.output / name).is_file()
    assert errors_in(packaged_run.output / name) == []
