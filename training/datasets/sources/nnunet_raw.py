"""nnU-Net's raw folders: dataset.json, imagesTr/CASE_0000.EXT, labelsTr/CASE.EXT.

Version 2 lists labels by name, version 1 by value. A folder of pictures (.png, .bmp, .tif) holds radiographs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from operators.errors import UnreadableError, UnsuitableError, reason
from operators.image_files.volume_files import read_volume_file
from training.datasets.label_maps import Labelled, label_one
from training.datasets.layout import LeftOut
from training.datasets.naming import Numbering
from training.datasets.sources.listing import Listing, SourceCase

DATASET_JSON, IMAGES, LABELS, TEST_IMAGES = "dataset.json", "imagesTr", "labelsTr", "imagesTs"
IGNORE = "ignore"
PICTURES = (".png", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class RawFolder:
    """A raw folder: the value of each label, the number of channels, the suffix of its files."""

    folder: Path
    labels: Mapping[str, tuple[int, ...]]
    channels: int
    suffix: str

    def name_of(self, value: int) -> str:
        """Returns the name of a value: of a region's values, that of the smallest region that has it.

        Raises UnsuitableError for a value that dataset.json does not list.
        """
        fitting = [name for name, values in self.labels.items() if value in values]
        if not fitting:
            known = sorted({value for values in self.labels.values() for value in values})
            raise UnsuitableError(
                f"expected labels {known} as in {DATASET_JSON}, got {value}", code="unknown_label"
            )
        return min(fitting, key=lambda name: len(self.labels[name]))


def is_nnunet_raw(folder: Path) -> bool:
    """Returns whether a folder holds the files of a raw folder."""
    return (folder / DATASET_JSON).is_file() and (folder / IMAGES).is_dir() and (folder / LABELS).is_dir()


def shows_pictures(folder: Path) -> bool:
    """Returns whether a folder is a raw folder whose images are pictures."""
    return is_nnunet_raw(folder) and read_raw(folder).suffix in PICTURES


def read_raw(folder: Path) -> RawFolder:
    """Reads dataset.json. Raises UnreadableError."""
    try:
        content = json.loads((folder / DATASET_JSON).read_text(encoding="utf-8"))
        labels = dict(map(label_row, content["labels"].items()))
        channels = content.get("channel_names") or content["modality"]
        return RawFolder(folder, labels, len(channels), str(content.get("file_ending", ".nii.gz")).lower())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"expected nnU-Net's {DATASET_JSON} in {folder.name}, could not read it: {reason(error)}"
        ) from error


def label_row(row: tuple[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Returns the name and the values of a label of version 2 (name to values) or 1 (value to name)."""
    key, told = row
    if key.isdecimal() and isinstance(told, str) and not told.isdecimal():
        return told, (int(key),)
    return key, tuple(int(value) for value in (told if isinstance(told, list) else [told]))


def list_cases(folder: Path) -> Listing:
    """Returns the cases of a raw folder of volumes. Raises UnreadableError."""
    raw = read_raw(folder)
    stems, left_out = paired(raw)
    cases = [
        SourceCase(f"{LABELS}/{stem}{raw.suffix}", stem, partial(read_case, raw, stem)) for stem in stems
    ]
    return Listing(folder.name, cases, left_out, next(iter(raw.labels.get(IGNORE, ())), None))


def paired(raw: RawFolder) -> tuple[list[str], list[LeftOut]]:
    """Returns the names of cases with image and labels, and what lacks one of them or is for testing."""
    labels = {stem_of(path, raw) for path in (raw.folder / LABELS).glob(f"*{raw.suffix}")}
    images = {stem_of(path, raw).rpartition("_")[0] for path in (raw.folder / IMAGES).glob(f"*{raw.suffix}")}
    tests = sorted((raw.folder / TEST_IMAGES).glob(f"*{raw.suffix}"))
    left_out = [LeftOut(f"{LABELS}/{stem}", "labels without an image") for stem in sorted(labels - images)]
    left_out += [LeftOut(f"{IMAGES}/{stem}", "an image without labels") for stem in sorted(images - labels)]
    left_out += [
        LeftOut(f"{TEST_IMAGES}/{path.name}", "an image for testing, without labels") for path in tests
    ]
    return sorted(labels & images), left_out


def stem_of(path: Path, raw: RawFolder) -> str:
    """Returns the file's name without the suffix."""
    return path.name[: -len(raw.suffix)]


def read_case(raw: RawFolder, stem: str, numbering: Numbering) -> Labelled:
    """Returns one case. Raises OsteonError, also for an image of several channels."""
    if raw.channels != 1:
        raise UnsuitableError(
            f"expected images of one channel, got {raw.channels}", code="channels_unsupported"
        )
    image = read_volume_file(raw.folder / IMAGES / f"{stem}_0000{raw.suffix}")
    return label_one(image, raw.folder / LABELS / f"{stem}{raw.suffix}", numbering, raw.name_of)
