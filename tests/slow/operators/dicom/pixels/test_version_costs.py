"""To compare versions costs no more than their headers say."""

from __future__ import annotations

from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian

from operators.dicom.elements.file_meta import file_head
from operators.dicom.pixels.version_differences import Difference, difference
from tests.slow.operators.dicom.read.test_reading_costs import MEGABYTE, peak_bytes
from tests.support.dicom.dataset_bytes import UID, ct, deflated
from tests.support.faults.wire import CT
from tests.unit.operators.dicom.pixels.test_versions import SAME


def test_versions_cost_no_more_than_their_headers_say(tmp_path: Path) -> None:
    paths = [tmp_path / "a.dcm", tmp_path / "b.dcm"]
    for path, zeros in zip(paths, (256, 128), strict=True):
        head = file_head(CT, f"{UID}.1.1", DeflatedExplicitVRLittleEndian, "CT1")
        path.write_bytes(head + deflated(ct(), zeros * MEGABYTE))
    found: list[Difference] = []
    assert peak_bytes(lambda: found.append(difference(*paths))) < 16 * MEGABYTE
    assert found == [SAME]
