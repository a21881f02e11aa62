"""Writes radiographs of any layout of LAYOUTS, or of a 2-D raw folder of nnU-Net, in Osteon's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from operators.errors import UsageError
from operators.geometry.contours import closed_outlines
from training.datasets.layout import IMAGES, Case, LeftOut, sha256_of
from training.datasets.sources.nnunet_raw import LABELS, RawFolder, paired, read_raw
from training.files import csv_text, write_text
from training.progress import Tell
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.entries import Entry, FaultError, Outlines, Size
from training.radiograph.datasets.plain import fracture_classes
from training.radiograph.datasets.radiograph import ATTRIBUTES, UNKNOWN, Polygon
from training.radiograph.datasets.reading import REASONS, listed, read

TABLE, OUTLINES = "images.csv", "fractures.json"
# More pixels than a radiograph has on its longer side: outlines stay in pixels of the file
WHOLE_PIXELS = 1 << 20


def entries_of(folder: Path) -> tuple[str, list[Entry], list[LeftOut]]:
    """Returns the layout's name, its images, and what of the folder is none. Raises UsageError."""
    layout = layout_of(folder)
    return layout.name, listed(layout, folder), []


def raw_entries(folder: Path) -> tuple[str, list[Entry], list[LeftOut]]:
    """Returns the pictures of nnU-Net's raw folder, with outlines of their masks. Raises UsageError."""
    raw = read_raw(folder)
    values = {value: name for name, each in raw.labels.items() for value in each if value}
    wanted = frozenset(fracture_classes(values, folder.name))
    if raw.channels not in (1, 3):
        raise UsageError(f"expected pictures of 1 channel, or 3 of colours, got {raw.channels}")
    stems, left_out = paired(raw)
    return "nnU-Net raw", [raw_entry(raw, stem, wanted) for stem in stems], left_out


def raw_entry(raw: RawFolder, stem: str, wanted: frozenset[int]) -> Entry:
    """Returns one picture; a mask that cannot be read makes it unusable."""
    image, mask = f"{stem}_0000{raw.suffix}", raw.folder / LABELS / f"{stem}{raw.suffix}"
    try:
        with Image.open(mask) as file:
            values = np.asarray(file)
        fractured, fault = bool(np.isin(values, list(wanted)).any()), None
    except (OSError, ValueError, SyntaxError) as error:
        fractured, fault = False, FaultError("outlines_unreadable", str(error))
    find = partial(mask_outlines, mask, wanted)
    return Entry(image, raw.folder / "imagesTr" / image, "train", fractured, UNKNOWN, find, fault=fault)


def mask_outlines(path: Path, wanted: frozenset[int], size: Size) -> Outlines:
    """Returns the outline of each connected part of a mask. Raises ValueError for a mask of another size."""
    with Image.open(path) as file:
        inside = np.isin(np.asarray(file), list(wanted))
    if inside.shape[1::-1] != size:
        raise ValueError(f"expected a mask of {size} pixels, got one of {inside.shape[1::-1]}")
    parts, count = ndimage.label(inside, np.ones((3, 3)))
    return [[each[:, ::-1] for each in closed_outlines(parts == n)] for n in range(1, count + 1)]


def write_radiographs(entries: Sequence[Entry], folder: Path, tell: Tell) -> tuple[list[Case], list[LeftOut]]:
    """Copies the usable images and writes their table and outlines; the others, each with its reason."""
    (folder / IMAGES).mkdir()
    rows, outlines, cases, left_out, seen = [], [], [], [], set[str]()
    for at, entry in enumerate(entries):
        tell("import", at / len(entries), f"{entry.name}, {at + 1} of {len(entries)}")
        try:
            found = read_outlines(entry, seen)
        except FaultError as fault:
            left_out.append(LeftOut(entry.name, f"{REASONS[fault.code]}: {fault}"))
            continue
        target = folder / IMAGES / entry.name
        shutil.copyfile(entry.path, target)
        rows.append([entry.name, entry.split, int(entry.fractured), *entry.attributes, entry.patient])
        outlines.append(found)
        cases.append(Case(entry.name, entry.patient, entry.path.name, sha256_of(target)))
    write_text(folder / TABLE, csv_text(("file", "split", "fractured", *ATTRIBUTES, "patient"), rows))
    write_text(folder / OUTLINES, coco_text([case.name for case in cases], outlines))
    return cases, left_out


def read_outlines(entry: Entry, seen: set[str]) -> tuple[tuple[Polygon, ...], ...]:
    """Returns the outlines of an image that can be trained on. Raises FaultError."""
    if entry.name in seen:
        raise FaultError("listed_twice", "the first is kept")
    seen.add(entry.name)
    return read(entry, WHOLE_PIXELS).member.image.outlines


def coco_text(names: Sequence[str], outlines: Sequence[tuple[tuple[Polygon, ...], ...]]) -> str:
    """Returns the outlines as COCO with one category."""
    return json.dumps(
        {
            "images": [{"id": at, "file_name": name} for at, name in enumerate(names)],
            "annotations": list(coco_annotations(outlines)),
            "categories": [{"id": 1, "name": "fracture"}],
        }
    )


def coco_annotations(outlines: Sequence[tuple[tuple[Polygon, ...], ...]]) -> Iterator[dict[str, object]]:
    """Yields one annotation for each fracture."""
    number = 0
    for at, found in enumerate(outlines):
        for outline in found:
            number += 1
            polygons = [np.round(polygon, 2).ravel().tolist() for polygon in outline]
            yield {"id": number, "image_id": at, "category_id": 1, "segmentation": polygons}
