"""A study with a name in every text, number and code: no output repeats it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from operators.dicom.elements.element_scan import elements
from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import text
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Served, until
from tests.support.packages.synthetic_packages import write_package

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
NAME = "ZWILLINGSNAME"
# In a text it steers a terminal as well
MARKER, IN_TEXTS = f"{NAME}^\x1b[31m[bold]", f"{NAME}^\x1b[31m[bold]\x9b"
TEXT_VRS = ("LO", "LT", "PN", "SH", "ST", "UT")
TEXTS = (
    "PatientName", "PatientID", "PatientComments", "OtherPatientIDs", "StudyDescription", "SeriesDescription",
    "AccessionNumber", "InstitutionName", "ReferringPhysicianName", "StationName", "ProtocolName",
    "ManufacturerModelName", "Manufacturer", "SoftwareVersions", "DeviceSerialNumber", "StudyID",
    "ImageComments", "ContrastBolusAgent", "PositionReferenceIndicator",
)  # fmt: skip
# Where no name belongs; some are copied into results, which fails
TYPED = (
    "BodyPartExamined", "ConvolutionKernel", "PatientSex",
    "PatientAge", "PatientBirthDate", "StudyDate", "StudyTime", "SeriesDate", "ContentTime", "PatientWeight",
    "KVP", "InstanceNumber", "SeriesNumber", "AcquisitionNumber", "WindowCenter", "WindowWidth",
    "LossyImageCompressionRatio", "Laterality", "PatientPosition",
)  # fmt: skip
# What refuses a series, or makes a library stumble, where it holds a name
BREAKING = (
    "SpecificCharacterSet", "Modality", "PhotometricInterpretation", "ImageType", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient",
    "FrameOfReferenceUID", "NumberOfFrames", "GantryDetectorTilt", "RescaleType", "SamplesPerPixel",
)  # fmt: skip


def rewrite(path: Path, keywords: tuple[str, ...]) -> None:
    """Writes the marker into attributes as raw bytes, without pydicom's validation."""
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    found: dict[int, bytes] = {}
    begin = start
    for tag, _, _, end in elements(content + bytes(8), explicit=True, at=start):
        found[tag] = content[begin:end]
        begin = end
        if end >= len(content):
            break
    for keyword in keywords:
        tag, vr = int(Tag(keyword)), dictionary_VR(keyword)[:2]
        found[tag] = text(tag, vr, IN_TEXTS if vr in TEXT_VRS else MARKER)
    path.write_bytes(content[:start] + b"".join(found[tag] for tag in sorted(found)))


def write_study(folder: Path) -> None:
    """A series that is segmented, and others that may break in many ways."""
    for number, more in enumerate(((), TYPED, *((each,) for each in BREAKING)), 1):
        for path in phantoms.write_ct(folder / str(number), HU, AFFINE, study=1, series=number):
            rewrite(path, (*TEXTS, *more))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    return folder


def assert_silent(place: str, content: bytes) -> None:
    at = content.find(NAME.encode())
    assert at < 0, f"{place}: {content[max(0, at - 300) : at + 100]!r}"


def test_the_command_line_repeats_no_value(study: Path, tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "bones", sees_bone=True)
    command = [sys.executable, "-c", "from app.cli.commands import main; main()", "run", str(study)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out"), "-m", str(tmp_path / "models")],
        capture_output=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    assert_silent("stdout", done.stdout)
    assert_silent("stderr", done.stderr)
    report = (tmp_path / "out" / "report.json").read_bytes()
    assert_silent("report.json", report)
    assert b"\x1b" not in done.stderr
    results = [series["result"] for series in json.loads(report)["series"]]
    assert any(results), done.stderr
    assert not all(results)


def test_the_list_of_series_steers_no_terminal(study: Path, tmp_path: Path) -> None:
    """It shows descriptions, as its caller wants to see them, and no character that is none."""
    write_package(tmp_path / "models" / "bones")
    command = [sys.executable, "-c", "from app.cli.commands import main; main()", "series", str(study)]
    for more in ([], ["--json"]):
        done = subprocess.run(
            [*command, "-m", str(tmp_path / "models"), *more],
            capture_output=True,
            check=False,
            timeout=120,
            env={**os.environ, "COLUMNS": "400"},
        )
        assert done.returncode == 0
        shown = done.stdout.decode()
        assert all(each.isprintable() or each == "\n" for each in shown)
        assert NAME in shown
        assert done.stderr == b""


def test_the_node_repeats_no_value(study: Path, tmp_path: Path) -> None:
    node = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"},))
    paths = sorted(study.rglob("*.dcm"))
    try:
        node.start(PYTHONWARNINGS="default")
        code, said = storescu(node.port, *paths)
        assert code == 0, said
        (job,) = until(lambda: node.ended_jobs(1), 120)
        # It has a result, and nobody to send it to
        assert (job.state, job.code) == ("failed", "no_destination"), node.log()
        assert_silent("metrics", node.metrics().encode())
        command = [sys.executable, "-c", "from app.cli.commands import main; main()", "jobs"]
        command += ["--data", str(tmp_path / "data")]
        for more in ([], ["--json"]):
            done = subprocess.run([*command, *more], capture_output=True, check=True, timeout=120)
            assert_silent("jobs", done.stdout + done.stderr)
        assert node.stop() == 0
    finally:
        node.end()
    assert_silent("log", node.log().encode())
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    images = ("inbox", "jobs", "conflicts", "incoming")
    others = [path for path in kept if path.relative_to(tmp_path / "data").parts[0] not in images]
    assert any(path.name.startswith("osteon.sqlite") for path in others)
    assert any(path.name == "audit.xml" for path in others)
    for path in others:
        assert_silent(path.name, path.read_bytes())
    for path in kept:
        assert_silent("names of files", str(path).encode())
