"""Reads studies in a separate process, so that a study that crashes it does not end the worker."""

from __future__ import annotations

import mmap
import os
import resource
import threading
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path

import numpy as np

from app.node.watch.process import die_with_parent
from operators.dicom.elements.image_classes import is_segmentable
from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume, require_readable
from operators.dicom.read.scan import Scan, scan
from operators.dicom.select.selection import Outcome, Refusal, candidates, select
from operators.errors import OsteonError
from operators.geometry.value_notes import Note
from operators.geometry.volume import CtVolume, Grid
from operators.packages.packages import ModelPackage

# Type of stored voxels; besides a volume the reader may use as much memory again, and some for decoders
STORED = np.dtype(np.int16)
BESIDE_BYTES = 512_000_000
# Niceness: a tenth of the weight of the worker's threads (Linux halves it about every three steps)
BEHIND = 10
# The code of a secondary capture that a package would accept
CAPTURE = "secondary_capture"
# The headers; the first volume's grid, its notes, and the handle of its voxels
Read = tuple[Scan, Grid | None, tuple[Note, ...], int]


@dataclass(frozen=True, eq=False)
class ReadStudy:
    """A scanned study, and the volume of its first suitable series unless it has too many voxels.

    Radiographs are not prefetched: reading one takes less time than passing it to another process.
    """

    scan: Scan
    volume: CtVolume | None = None


def read_studies(
    asked: Connection, worker_id: int, packages: tuple[ModelPackage, ...], limit_bytes: int
) -> None:
    """Reads each requested folder and sends the result; never returns."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    # Imported by the check of a volume's values; importing it here keeps it out of the memory limit
    import_module("scipy.ndimage")
    limit_memory(2 * limit_bytes + BESIDE_BYTES)
    # The networks of the current study have precedence; reading uses idle cores
    os.nice(BEHIND)
    while True:
        folder = asked.recv()
        try:
            hand_over(asked, worker_id, read_study(folder, packages, limit_bytes))
        except OsteonError:
            # The worker reads the study itself and reports the error
            asked.send((None, None, ()))


def limit_memory(more_bytes: int) -> None:
    """Limits the further memory that the process may use."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * mmap.PAGESIZE + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def select_images(found: Scan, packages: tuple[ModelPackage, ...]) -> tuple[Outcome, ...]:
    """Returns the outcome of each series like `select`, but refuses all secondary captures.

    New secondary captures start no job, because a PACS may send a node's own results back to it. So none is
    segmented that arrived before the other images of a study, or without any.
    """
    captures = tuple(each for each in found.series if is_capture(each))
    images = tuple(each for each in found.series if not is_capture(each))
    refused = select(replace(found, series=captures), packages)
    return (*select(replace(found, series=images), packages), *map(refuse_capture, refused))


def is_capture(series: Series) -> bool:
    """Returns whether a series is a projection of a SOP class that starts no job."""
    return series.is_projection and not is_segmentable(series.sop_class_uid)


def refuse_capture(outcome: Outcome) -> Refusal:
    """Returns the refusal of a secondary capture, with the packages' reason if they refuse it themselves."""
    if isinstance(outcome, Refusal):
        return outcome
    text = "expected a CR or DX image, got a secondary capture, which the node does not segment"
    return Refusal(outcome.series, CAPTURE, text, outcome.package)


def read_study(folder: Path, packages: tuple[ModelPackage, ...], limit_bytes: int) -> Read:
    """Reads a study's headers, and the first suitable series if it is small enough. Raises OsteonError."""
    found = scan(folder)
    suitable = [each.selection.series for each in candidates(select_images(found, packages))]
    if not suitable or suitable[0].is_projection:
        return found, None, (), 0
    if prod(require_readable(suitable[0]).shape) * STORED.itemsize > limit_bytes:
        return found, None, (), 0
    volume = read_volume(suitable[0])
    return found, volume.grid, volume.notes, keep_volume(volume)


def keep_volume(volume: CtVolume) -> int:
    """Copies the voxels into anonymous shared memory, freed with its last handle, and returns the handle."""
    handle = os.memfd_create("volume")
    os.truncate(handle, volume.hu.size * STORED.itemsize)
    with mmap.mmap(handle, 0) as memory:
        into = np.frombuffer(memory, STORED).reshape(volume.hu.shape[::-1])
        np.copyto(into, volume.hu.transpose())
        del into
    return handle


def hand_over(asked: Connection, worker_id: int, read: Read) -> None:
    """Sends a study to the worker, which receives it by `take_volume`."""
    found, grid, notes, handle = read
    asked.send((found, grid, notes))
    if grid is not None:
        send_handle(asked, handle, worker_id)
        os.close(handle)


def take_volume(answered: Connection) -> ReadStudy | None:
    """Receives the next study, or None for one that could not be read. Raises EOFError, OSError."""
    found, grid, notes = answered.recv()
    if grid is None:
        return None if found is None else ReadStudy(found)
    handle = recv_handle(answered)
    try:
        memory = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)
    hu = np.frombuffer(memory, STORED).reshape(grid.shape[::-1]).transpose()
    return ReadStudy(found, CtVolume(hu, grid, notes))
