"""A procedural CT of a fractured pelvis, run once through the packaged application."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from operators.image_files.label_files import write_nifti
from training.phantoms import phantom_ct, write_series

ROOT = Path(__file__).resolve().parents[3]
COARSE_SPACING_MM = (1.4, 1.4, 2.0)


@dataclass(frozen=True)
class Finished:
    """A process that ended, and the folders it read and wrote."""

    series: Path
    truth: Path
    output: Path
    returncode: int
    errors: str


@pytest.fixture(scope="session")
def phantom_series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The series' folder and its truth."""
    folder = tmp_path_factory.mktemp("phantom")
    phantom = phantom_ct(np.random.default_rng(3), COARSE_SPACING_MM)
    write_series(phantom.ct, folder / "ct")
    write_nifti(phantom.truth, folder / "truth.nii.gz")
    return folder / "ct", folder / "truth.nii.gz"


@pytest.fixture(scope="session")
def packaged_run(phantom_series: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`python <folder> -i IN -o OUT -m MODELS`, with contours."""
    series, truth = phantom_series
    output = tmp_path_factory.mktemp("packaged")
    command = [sys.executable, str(ROOT), "-i", str(series), "-o", str(output), "-m", str(ROOT / "models")]
    given = {**os.environ, "OSTEON_FILES": '["rtstruct"]'}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=output.parent, env=given)
    return Finished(series, truth, output, done.returncode, done.stderr)
