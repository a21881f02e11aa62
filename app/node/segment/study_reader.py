"""Reads one study after the other in a process of its own: a study may cost it its life, not the worker."""

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

# Of a volume; beside it the reader may take so much again, and what decoders need
STORED = np.dtype(np.int16)
BESIDE_BYTES = 512_000_000
# A tenth of the weight that the worker's threads have (Linux halves it about every three steps)
BEHIND = 10
# The code of a secondary capture that a package would read
CAPTURE = "secondary_capture"
# Headers; the first volume's grid, its notes, and the handle of its voxels
Read = tuple[Scan, Grid | None, tuple[Note, ...], int]


@dataclass(frozen=True, eq=False)
class ReadStudy:
    """A study as it was read, and the volume of its first suitable series if it has not too many voxels.

    Radiographs are left to who segments them: one is read in less time than it takes to hand it over.
    """

    scan: Scan
    volume: CtVolume | None = None


def read_studies(
    asked: Connection, worker_id: int, packages: tuple[ModelPackage, ...], limit_bytes: int
) -> None:
    """Answers each folder with what was read; never returns."""
    threading.Thread(target=die_with_parent, daemon=True).start()
    # What the check of a volume's values loads late is no cost of a study
    import_module("scipy.signal")
    limit_memory(2 * limit_bytes + BESIDE_BYTES)
    # It reads when the networks leave a core idle: they have the study in hand
    os.nice(BEHIND)
    while True:
        folder = asked.recv()
        try:
            hand_over(asked, worker_id, read_study(folder, packages, limit_bytes))
        except OsteonError:
            # What is wrong with it the worker finds out and says by itself
            asked.send((None, None, ()))


def limit_memory(more_bytes: int) -> None:
    """From here on the process takes no more than so much."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * mmap.PAGESIZE + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def select_images(found: Scan, packages: tuple[ModelPackage, ...]) -> tuple[Outcome, ...]:
    """An outcome for every series, as `select` gives it, but that no secondary capture is read.

    New instances of these make no job, as a node's own results come back as such; so neither does one that
    came before the images of its series, or with nothing else.
    """
    captures = tuple(each for each in found.series if is_capture(each))
    images = tuple(each for each in found.series if not is_capture(each))
    refused = select(replace(found, series=captures), packages)
    return (*select(replace(found, series=images), packages), *map(refuse_capture, refused))


def is_capture(series: Series) -> bool:
    """Whether a series would be read as a radiograph, and is of a class of which no job is made."""
    return series.is_projection and not is_segmentable(series.sop_class_uid)


def refuse_capture(outcome: Outcome) -> Refusal:
    """The refusal of a secondary capture: the packages' own, where they read no such one."""
    if isinstance(outcome, Refusal):
        return outcome
    text = "expected a CR or DX image, got a secondary capture, which a node does not segment"
    return Refusal(outcome.series, CAPTURE, text, outcome.package)


def read_study(folder: Path, packages: tuple[ModelPackage, ...], limit_bytes: int) -> Read:
    """Headers, and pixels of the first suitable series if they are few enough: their grid and where they lie.

    Raises OsteonError.
    """
    found = scan(folder)
    suitable = [each.selection.series for each in candidates(select_images(found, packages))]
    if not suitable or suitable[0].is_projection:
        return found, None, (), 0
    if prod(require_readable(suitable[0]).shape) * STORED.itemsize > limit_bytes:
        return found, None, (), 0
    volume = read_volume(suitable[0])
    return found, volume.grid, volume.notes, keep_volume(volume)


def keep_volume(volume: CtVolume) -> int:
    """The handle of its voxels in memory without a name, which goes with those who hold it."""
    handle = os.memfd_create("volume")
    os.truncate(handle, volume.hu.size * STORED.itemsize)
    with mmap.mmap(handle, 0) as memory:
        into = np.frombuffer(memory, STORED).reshape(volume.hu.shape[::-1])
        np.copyto(into, volume.hu.transpose())
        del into
    return handle


def hand_over(asked: Connection, worker_id: int, read: Read) -> None:
    """A study to the worker, as `taken_from` takes it."""
    found, grid, notes, handle = read
    asked.send((found, grid, notes))
    if grid is not None:
        send_handle(asked, handle, worker_id)
        os.close(handle)


def take_volume(answered: Connection) -> ReadStudy | None:
    """The next study that was read; None for one that could not be. Raises EOFError, OSError."""
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
