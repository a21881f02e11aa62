"""Decodes damaged copies of one compressed frame, in a process of its own: a decoder may end its process.

    python -m tests.support.dicom.damaged_streams FILE FIRST_SEED COUNT

Prints how many copies were refused, how many were read, and the seconds of the slowest.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.encaps import generate_frames

from operators.dicom.pixels.decoding import decode
from operators.dicom.pixels.projection_reader import require_projection
from operators.dicom.read.scan import scan
from operators.errors import UnreadableError

# The headers are no longer than this; half of the damage is in them
HEAD_BYTES = 120
LARGEST_BLOCK_BYTES = 40


def damaged(stream: bytes, seed: int) -> bytes:
    """A copy with one to five faults: other bytes, bits, missing and repeated blocks, an early end."""
    rng = np.random.default_rng(seed)
    content = bytearray(stream)
    for _ in range(int(rng.integers(1, 6))):
        zone = min(len(content), HEAD_BYTES) if rng.random() < 0.5 else len(content)
        at, block = int(rng.integers(zone)), int(rng.integers(1, LARGEST_BLOCK_BYTES))
        match rng.integers(6):
            case 0:
                content[at] = int(rng.integers(256))
            case 1:
                content[at] ^= 1 << int(rng.integers(8))
            case 2:
                content[at : at + 4] = bytes([int(rng.choice([0, 127, 128, 255]))]) * 4
            case 3:
                content = content[: max(at, 2)] + content[at + block :]
            case 4:
                start = int(rng.integers(len(content)))
                content[at:at] = content[start : start + block]
            case 5:
                content = content[: max(at, 2)]
    return bytes(content)


def main(path: Path, first: int, count: int) -> None:
    """Decodes as many damaged copies of a file's frame. Raises whatever is no refusal."""
    (series,) = scan(path.parent).series
    pixels = require_projection(series)
    (span,) = pixels.spans
    (stream,) = generate_frames(dcmread(path).PixelData, number_of_frames=1)
    whole = path.read_bytes()
    refused, slowest = 0, 0.0
    for seed in range(first, first + count):
        copy = damaged(stream, seed)[: span.length]
        content = whole[: span.offset] + copy.ljust(span.length, b"\0") + whole[span.offset + span.length :]
        path.with_suffix(".damaged").write_bytes(content)
        began = time.perf_counter()
        try:
            values = decode(path.with_suffix(".damaged"), pixels, lambda *_: b"")
            assert values.shape[:2] == (pixels.rows, pixels.columns), (seed, values.shape)
        except UnreadableError:
            refused += 1
        slowest = max(slowest, time.perf_counter() - began)
    print(refused, count - refused, round(slowest, 2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
