"""Real fractured bones, set into a synthetic body and written as a DICOM series."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.accuracy.cases.scan import Scan
from benchmarks.panel import PANEL
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan as scan_folder
from operators.geometry.regridding import onto_grid
from operators.image_files.label_files import read_nifti

PATIENTS = ("001", "002", "003")
BODY_SEED = "7"


def series_folder(data: Path, patient: str, work: Path) -> Path:
    """Returns the patient's DICOM series below `work`, written on first use beside its ground truth."""
    folder, truth = work / patient / "ct", truth_file(work, patient)
    if not truth.exists():
        part = truth.with_name("part.nii.gz")
        script = data.parent / "tools" / "semi_real_ct.py"
        folder.mkdir(parents=True, exist_ok=True)
        case = data / PANEL.patients / patient
        command = [sys.executable, script, case, folder, "--seed", BODY_SEED, "--labels", part]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        part.rename(truth)
    return folder


def truth_file(work: Path, patient: str) -> Path:
    """Returns the path of the series' ground truth."""
    return work / patient / "truth.nii.gz"


def patient_scan(data: Path, patient: str, work: Path) -> Scan:
    """Returns the series as the pipeline reads it, and its ground truth on the same grid."""
    (series,) = scan_folder(series_folder(data, patient, work)).series
    volume = read_volume(series)
    return Scan(volume, onto_grid(read_nifti(truth_file(work, patient)), volume.grid))
