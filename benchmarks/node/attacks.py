"""Measures the cost of hostile peers and files: CPU seconds and peak memory, one process for each attack.

    python -m benchmarks.node.attacks [--tree FOLDER]

`--tree` measures another checkout, for comparison.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from training.command_line import run

LISTENER = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
import tempfile, struct
from pathlib import Path
from tests.support.node.node_cases import listening, node_settings
from tests.support.faults.wire import *
from tests.support.dicom.dataset_bytes import UID, ct, deflated, element, text
def mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
class Cost:
    def __enter__(self): self.s, self.mb = time.process_time(), mb(); return self
    def __exit__(self, *_): print(f"{time.process_time() - self.s:.2f} s, {mb() - self.mb:.0f} MB")
def wide(count):
    head = element(0x00081140, "SQ", b"", 0xFFFFFFFF)
    end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return ct(before=head + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * count + end)
def tiny(count):
    return ct(before=b"".join(element(0x00090000 | n, "UN", b"") for n in range(1000)) * (count // 1000))
with listening(node_settings(Path(tempfile.mkdtemp()), network_s=30.0)) as node:
    with connected(node.port) as wire:
        wire.socket.settimeout(200)
"""

READER = """
import resource, sys, time, warnings, tempfile
warnings.simplefilter("ignore")
from pathlib import Path
import pydicom
from operators.dicom.elements.file_meta import file_head
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import deflated
from tests.support.faults.wire import CT, DEFLATED
def mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
folder = Path(tempfile.mkdtemp())
affine = phantoms.axial_affine()
for path in phantoms.write_ct(folder, phantoms.position_volume((64, 64, 8), affine), affine):
    dataset = pydicom.dcmread(path)
    content = path.read_bytes()[144 + int(dataset.file_meta.FileMetaInformationGroupLength):]
    path.write_bytes(file_head(CT, dataset.SOPInstanceUID, DEFLATED, "X") + deflated(content, 300 << 20))
before, start = mb(), time.process_time()
for series in scan(folder).series:
    read_volume(series)
print(f"{time.process_time() - start:.2f} s, {mb() - before:.0f} MB")
"""

ATTACKS = {
    "sequence of 2,000,000 items before the UIDs, 16 MB": (
        LISTENER,
        "wire.associated()\nsaid = list(store(f'{UID}.1.1', wide(2_000_000)))\n"
        "with Cost(): wire.say(*said); wire.status()",
    ),
    "1,000,000 elements before the UIDs, 12 MB": (
        LISTENER,
        "wire.associated()\nsaid = list(store(f'{UID}.1.1', tiny(1_000_000)))\n"
        "with Cost(): wire.say(*said); wire.status()",
    ),
    "A-ASSOCIATE-RQ of 1 MB from an unknown AE title": (
        LISTENER,
        "body = association_request(calling='STRANGER')[6:] "
        "+ item(0x20, bytes(4) + item(0x30, b'1.2') * 8000) * 16\n"
        "with Cost(): wire.say(pdu(1, body)); wire.heard()",
    ),
    "the same from a known AE title": (
        LISTENER,
        "body = association_request()[6:] + item(0x20, bytes(4) + item(0x30, b'1.2') * 8000) * 16\n"
        "with Cost(): wire.say(pdu(1, body)); wire.heard()",
    ),
    "500 MB of commands whose data sets never end": (
        LISTENER,
        "wire.associated(sop_class='1.2.840.10008.1.20.1', syntax=IMPLICIT)\n"
        "command = (element_ := __import__('tests.support.faults.wire', fromlist=['element']).element)\n"
        "values = command(0x0003, b'1.2.840.10008.1.20.1') + command(0x0100, b'\\x30\\x01') "
        "+ command(0x0110, b'\\1\\0') + command(0x0800, b'\\1\\0') + command(0x1008, b'\\1\\0')\n"
        "with Cost():\n"
        "    for _ in range(50):\n"
        "        wire.say(data(command(0, struct.pack('<L', len(values))) + values, COMMAND | LAST))\n"
        "        for _ in range(20): wire.say(data(bytes(500_000), 0))\n"
        "    time.sleep(1)",
    ),
    "eight deflated slices of 0.3 MB that hold 300 MB each, read": (READER, ""),
}  # fmt: skip


def main(*, tree: Path = Path()) -> None:
    """Prints a line for each attack."""
    for name, (program, attack) in ATTACKS.items():
        lines = "\n".join(f"        {line}" for line in attack.splitlines())
        done = subprocess.run(
            [sys.executable, "-c", program + lines],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(tree.resolve())},
        )
        print(f"{name}: {done.stdout.strip() or done.stderr[-200:]}", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
