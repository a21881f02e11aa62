"""Imports a folder of labelled images as a data set: one case after the other, all or nothing written."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np

from operators.dicom.elements.atomic_file import make_folder, unwritable_folder
from operators.errors import OsteonError, UnsuitableError, UsageError, shortage
from operators.geometry.volume import CtVolume, LabelMap
from operators.image_files.label_files import RAS_TO_LPS
from operators.importing.label_tables import LabelTable
from training.datasets.layout import (
    IMAGES,
    LABELS,
    SUFFIX,
    Case,
    Dataset,
    DatasetTables,
    LeftOut,
    read_dataset,
    sha256_of,
    write_dataset,
)
from training.datasets.naming import Numbering
from training.datasets.radiographs import entries_of, raw_entries, write_radiographs
from training.datasets.sources import case_folders, nnunet_raw
from training.datasets.sources.listing import Listing, SourceCase
from training.progress import Tell, silent
from training.radiograph.datasets import LAYOUTS
from training.radiograph.datasets.entries import Entry

UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
LONGEST_NAME = 80


@dataclass(frozen=True)
class Source:
    """A kind of source: how its folder is recognised, and how its cases or pictures are listed."""

    name: str
    fits: Callable[[Path], bool]
    cases: Callable[[Path], Listing] | None = None
    pictures: Callable[[Path], tuple[str, list[Entry], list[LeftOut]]] | None = None


SOURCES = (
    Source(
        "nnU-Net raw, pictures (dataset.json, imagesTr, labelsTr)",
        nnunet_raw.shows_pictures,
        pictures=raw_entries,
    ),
    Source("nnU-Net raw (the same)", nnunet_raw.is_nnunet_raw, nnunet_raw.list_cases),
    Source(
        "radiographs (Osteon, FracAtlas, GRAZPEDWRI-DX, COCO, VOC, YOLO)",
        lambda folder: any(layout.fits(folder) for layout in LAYOUTS),
        pictures=entries_of,
    ),
    Source("CTs with masks or surfaces", Path.is_dir, case_folders.list_cases),
)


@dataclass(frozen=True)
class Wishes:
    """What the user says about a source: what its labels mean, which case shows which patient, the day."""

    table: LabelTable | None = None
    patients: Mapping[str, str] | None = None
    patient_pattern: str | None = None
    today: str = ""

    def patient_of(self, name: str, told: str) -> str:
        """Returns the key of a case's patient: the user's, else that of the source, else ''."""
        if self.patients is not None and name in self.patients:
            return self.patients[name]
        found = re.search(self.patient_pattern, name) if self.patient_pattern else None
        if found:
            return found[1] if found.groups() else found[0]
        return told


def import_dataset(source: Path, target: Path, wishes: Wishes, tell: Tell = silent) -> Dataset:
    """Writes the data set of a source to `target`, which must be new, and returns it.

    Cases that cannot be used are listed with their reasons. Raises UsageError, UnreadableError, OutputError,
    and UnsuitableError if no case is left: then there is no data set.
    """
    row = source_of(source)
    if target.exists():
        raise UsageError(f"expected a new folder for the data set, {target} exists")
    tell("import", None, f"{source.name}: {row.name}")
    with unfinished(target) as folder:
        tables = import_pictures(row, source, folder, wishes, tell) if row.pictures else None
        tables = tables or import_cases(row, source, folder, wishes, tell)
        if not tables.cases:
            raise UnsuitableError(nothing_sentence(source, tables.left_out), code="no_case")
        write_dataset(folder, tables)
    tell("import", 1.0, f"{len(tables.cases)} cases")
    return read_dataset(target)


def source_of(folder: Path) -> Source:
    """Returns the kind of a source. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder with labelled images, got {folder}")
    return next(row for row in SOURCES if row.fits(folder))


def nothing_sentence(source: Path, left_out: Sequence[LeftOut]) -> str:
    """Says that no case of a source can be used, and why."""
    kinds = "; ".join(row.name for row in SOURCES)
    first = "".join(f" {each.source}: {each.reason}" for each in left_out[:1])
    more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
    return f"expected labelled images in {source.name} ({kinds}), got no case that can be used.{first}{more}"


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yields a folder that becomes `target` in one rename, or nothing on an error. Raises OutputError."""
    make_folder(target.parent, "a folder for data sets")
    part = Path(tempfile.mkdtemp(prefix=".import-", dir=target.parent))
    try:
        yield part
        part.chmod(0o755)
        part.rename(target)
    except OSError as error:
        raise shortage(error) or unwritable_folder(target, "a folder for the data set", error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def import_pictures(row: Source, source: Path, folder: Path, wishes: Wishes, tell: Tell) -> DatasetTables:
    """Writes the radiographs of a source."""
    assert row.pictures is not None
    layout, entries, left_out = row.pictures(source)
    require_known(wishes.patients, [entry.name for entry in entries])
    known = [replace(entry, patient=wishes.patient_of(entry.name, entry.patient)) for entry in entries]
    cases, faults = write_radiographs(known, folder, tell)
    return tables_of("radiograph", source, layout, wishes, cases, [*left_out, *faults])


def import_cases(row: Source, source: Path, folder: Path, wishes: Wishes, tell: Tell) -> DatasetTables:
    """Writes the volumes of a source."""
    assert row.cases is not None
    listing = row.cases(source)
    require_known(wishes.patients, [case.name for case in listing.cases])
    for name in (IMAGES, LABELS):
        (folder / name).mkdir()
    numbering, cases, left_out = Numbering(wishes.table), list[Case](), list(listing.left_out)
    for at, case in enumerate(listing.cases):
        tell("import", at / len(listing.cases), f"{case.name}, {at + 1} of {len(listing.cases)}")
        try:
            cases.append(write_case(case, folder, numbering, wishes, {each.name for each in cases}))
        except OsteonError as error:
            left_out.append(LeftOut(case.place, str(error)))
    made = tables_of("volume", source, row.name, wishes, cases, left_out)
    used = (row for row in numbering.rows.values() if row.value != listing.ignore)
    structures = tuple(sorted(used, key=lambda row: row.value))
    return made.model_copy(update={"structures": structures, "ignore": listing.ignore})


def tables_of(
    kind: str, source: Path, layout: str, wishes: Wishes, cases: Sequence[Case], left_out: Sequence[LeftOut]
) -> DatasetTables:
    """Returns the tables of a data set without structures."""
    return DatasetTables(
        kind="volume" if kind == "volume" else "radiograph",
        title=source.name,
        source=layout,
        imported=wishes.today,
        structures=(),
        cases=tuple(cases),
        left_out=tuple(left_out),
    )


def require_known(patients: Mapping[str, str] | None, names: Sequence[str]) -> None:
    """Raises UsageError if the table of patients lists a case that the source does not have."""
    unknown = sorted(set(patients or ()) - set(names))
    if unknown:
        raise UsageError(
            f"expected patients of the cases {', '.join(names[:5])}, ..., got one of {unknown[0]}"
        )


def write_case(case: SourceCase, folder: Path, numbering: Numbering, wishes: Wishes, taken: set[str]) -> Case:
    """Reads one case and writes its image and labels. Raises OsteonError; then its names have no values."""
    before = dict(numbering.rows)
    try:
        made = case.read(numbering)
    except OsteonError:
        numbering.rows = before
        raise
    name = free_name(case.name, taken)
    image, labels = folder / IMAGES / f"{name}{SUFFIX}", folder / LABELS / f"{name}{SUFFIX}"
    save(made.image.hu, made.image, image)
    save(made.labels.labels, made.labels, labels)
    notes = (*(note.text for note in made.image.notes), *made.notes)
    return Case(
        name,
        wishes.patient_of(case.name, case.patient) or name,
        case.place,
        sha256_of(image),
        sha256_of(labels),
        notes,
    )


def save(values: np.ndarray, on: CtVolume | LabelMap, path: Path) -> None:
    """Writes an array as NIfTI, whose world is RAS."""
    nibabel.save(nibabel.Nifti1Image(np.asarray(values), RAS_TO_LPS @ on.grid.ijk_to_lps), path)


def free_name(name: str, taken: set[str]) -> str:
    """Returns a name that is safe as a file name and not taken."""
    safe = UNSAFE.sub("_", name).strip("._-")[:LONGEST_NAME] or "case"
    return next(
        each for each in (safe, *(f"{safe}_{n}" for n in range(2, len(taken) + 3))) if each not in taken
    )


def read_patients(path: Path) -> dict[str, str]:
    """Returns the patient of each case, from a table with the columns case and patient. Raises UsageError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {row["case"]: row["patient"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a table with the columns case and patient in {path.name}") from error
