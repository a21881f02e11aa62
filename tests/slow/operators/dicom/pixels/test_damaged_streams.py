"""Damaged compressed frames are refused, by decoders that neither end the process nor take long over it."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.support.radiographs.projection_files import radiograph, save

JPEG, RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
COPIES = 300
# What an intact frame takes is below a hundredth of it
LONGEST_S = 2.0


CASES = [
    *product((f"{JPEG}50", f"{JPEG}51"), (7, 8)),
    *product((f"{JPEG}57", f"{JPEG}70", f"{JPEG}80", f"{JPEG}81", f"{JPEG}90", f"{JPEG}91", RLE), (8, 12)),
]


@pytest.mark.parametrize(("syntax", "bits"), CASES)
def test_every_damaged_copy_is_refused_or_read(tmp_path: Path, syntax: str, bits: int) -> None:
    path = save(radiograph(bits=bits), tmp_path / "1.dcm", syntax)
    command = [sys.executable, "-m", "tests.support.dicom.damaged_streams", str(path), "5000", str(COPIES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, read, slowest = map(float, done.stdout.split()[-3:])
    assert refused + read == COPIES
    assert refused > COPIES / 3
    assert slowest < LONGEST_S
