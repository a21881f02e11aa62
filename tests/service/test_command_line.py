"""The command line for a user: each bad input ends with one sentence and a documented exit code."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import DATA, removing, setting
from tests.support.packages.synthetic_packages import write_package
from tests.support.training.training_cases import ROOT, write_models

OSTEON = str(Path(sys.executable).parent / "osteon")
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_models(tmp_path / "models")


def osteon(*arguments: object, **environment: str) -> tuple[int, str]:
    """Exit code and stderr; a traceback is never shown."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OSTEON_", "HOLOSCAN_", "MONAI_"))}
    command = [OSTEON, *map(str, arguments)]
    done = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, timeout=6000, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, done.stderr


def cut(folder: Path) -> None:
    for path in phantoms.write_ct(folder, HU, AFFINE):
        path.write_bytes(path.read_bytes()[:-200])


def claim_16_gb(folder: Path) -> None:
    for path in phantoms.write_ct(folder, HU, AFFINE, keep=range(3)):
        dataset = dcmread(path)
        dataset.Rows, dataset.Columns, dataset.BitsAllocated = 65535, 65535, 32
        dataset.save_as(path)


UNREADABLE = {
    "empty": (lambda folder: folder.mkdir(), "expected DICOM files, got an empty folder"),
    "no DICOM": (
        lambda folder: [folder.mkdir(), (folder / "a.dcm").write_bytes(random.Random(1).randbytes(5000))],
        "expected DICOM files, got 1 other file",
    ),
    "cut short": (
        cut,
        "got 16 unreadable: 1_000.dcm: expected 512 bytes of pixel data, got 312: truncated file",
    ),
    "claims 16 GB": (
        claim_16_gb,
        "expected 17179344900 bytes of pixel data by rows, columns and frames, got 512",
    ),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_ends_with_4_and_one_sentence(tmp_path: Path, models: Path, kind: str) -> None:
    make, sentence = UNREADABLE[kind]
    make(tmp_path / "in")
    code, said = osteon("run", tmp_path / "in", "-o", tmp_path / "out", "-m", models)
    assert (code, said.count("\n")) == (4, 1)
    assert sentence in said
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["exit_code"] == 4


UNSUITABLE = {
    "other_modality": (setting(Modality="MR"), range(16), "expected modality CT, got MR"),
    "one_slice": (None, [3], "expected several slices, got one"),
    "too_few_slices": (None, [3, 4, 5], "expected at least 10 slices, got 3"),
    "missing_spacing": (removing("PixelSpacing"), range(16), "expected PixelSpacing, got none"),
    "missing_orientation": (
        removing("ImageOrientationPatient"),
        range(16),
        "expected ImageOrientationPatient, got none",
    ),
    "no_frame_of_reference": (
        removing("FrameOfReferenceUID"),
        range(16),
        "expected a FrameOfReferenceUID, got none",
    ),
    "bad_photometric_interpretation": (
        setting(PhotometricInterpretation="RGB"),
        range(16),
        "expected one sample per pixel in MONOCHROME2, got 1 in RGB",
    ),
}


def test_what_does_not_suit_ends_with_3_and_a_sentence_a_series(tmp_path: Path, models: Path) -> None:
    for number, (edit, keep, _) in enumerate(UNSUITABLE.values(), start=1):
        phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=edit, keep=keep, study=number, series=number)
    code, said = osteon("run", tmp_path / "in", "-o", tmp_path / "out", "-m", models)
    assert (code, said.count("\n")) == (3, len(UNSUITABLE))
    for (refusal, (_, _, sentence)), line in zip(UNSUITABLE.items(), said.splitlines(), strict=True):
        assert line.startswith(refusal)
        assert sentence in line
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [series["code"] for series in report["series"]] == list(UNSUITABLE)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


def test_only_mr_ends_with_3_for_a_map_runner_too(tmp_path: Path, models: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=setting(Modality="MR"))
    paths = {"HOLOSCAN_INPUT_PATH": tmp_path / "in", "HOLOSCAN_OUTPUT_PATH": tmp_path / "out"}
    command = [sys.executable, str(ROOT), "--model", str(models), "--log_level", "DEBUG", "--workdir", "/tmp"]
    environment = os.environ | {name: str(path) for name, path in paths.items()}
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=6000, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "expected modality CT, got MR" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("nowhere", "-o", "out"), 2, "expected an input folder or file, nowhere does not exist"),
        (("in",), 2, "expected an output folder (-o OUT), got none"),
        (("in", "-o", "out", "--device", "abacus"), 2, "'auto', 'cpu' or 'cuda', got 'abacus'"),
        (("in", "-o", "out", "--bogus"), 2, "Unknown option"),
        (("in", "-o", "out", "-m", "none"), 5, "expected a folder of model packages"),
        (("in", "-o", "in/1_000.dcm/out"), 6, "expected an output folder that can be written"),
    ],
)
def test_wrong_arguments_have_codes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, text: str
) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    monkeypatch.chdir(tmp_path)
    found, said = osteon("run", *arguments)
    assert (found, text in said) == (code, True), said


def test_missing_weights_end_with_5(tmp_path: Path, models: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    code, said = osteon("run", tmp_path / "in", "-o", tmp_path / "out", "-m", models)
    assert (code, said.count("\n")) == (5, 1)
    assert said.startswith("weights_missing")
    assert "expected weights at box/coarse.safetensors, but could" in said


def test_altered_weights_end_with_5(tmp_path: Path, models: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    (models / "box" / "coarse.safetensors").write_bytes(b"altered")
    code, said = osteon("run", tmp_path / "in", "-o", tmp_path / "out", "-m", models)
    assert (code, said.count("\n")) == (5, 1)
    assert said.startswith("weights_altered")
    assert "the file was altered or is not complete" in said


@pytest.mark.real_data
def test_a_real_head_is_refused_for_what_it_shows(tmp_path: Path) -> None:
    code, said = osteon("run", DATA / "ge_ct_head_tilted", "-o", tmp_path / "out")
    assert code == 3
    assert said.startswith("anatomy_not_found")


def test_help_loads_no_large_library_and_little_of_osteon() -> None:
    heavy = {"torch", "monai", "holoscan", "openvino", "highdicom", "pydicom", "scipy", "numpy"}
    script = f"import sys; from app.cli.commands import app; app(['--help'], result_action='return_value'); \
own = [name for name, module in sys.modules.items() if name.split('.')[0] in \
('app', 'operators', 'training') and not hasattr(module, '__path__')]; \
print('loaded:', {heavy} & set(sys.modules), len(own) < 12 or own)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: set() True"


def test_a_run_with_openvino_loads_no_torch_and_none_of_the_large_libraries_that_it_can_do_without(
    tmp_path: Path,
) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    write_package(tmp_path / "models" / "bones")
    heavy = ("torch", "monai.utils", "gevent", "matplotlib", "nibabel", "pandas", "scipy.signal", "trimesh")
    script = f"""
import sys
from app.cli.commands import app
from operators.networks import registry
load, loaded = registry.load_network, []
def watched(*each):
    network = load(*each)
    loaded.append(network.name)
    return network
registry.load_network = watched
try:
    app(sys.argv[1:], result_action='return_value')
finally:
    print('loaded:', [name for name in {heavy} if name in sys.modules], set(loaded))
"""
    command = [sys.executable, "-c", script, "run", tmp_path / "in", "-o", tmp_path / "out"]
    options = ["-m", tmp_path / "models", "--device", "cpu"]
    done = subprocess.run(
        [*map(str, command + options)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout.splitlines()[-1] == "loaded: [] {'openvino'}", done.stderr
