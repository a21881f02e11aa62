"""Corrected results as a data set: who corrected what, when, from which networks, and what was changed.

CORRECTIONS/NAME/
  dataset.toml, images/, labels/   a data set of the newest version of each case
  versions/CASE.1.nii.gz ...       the versions before
  corrections.json                 each version: case, who, when, package, networks, difference
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from operators.errors import OsteonError, UnsuitableError
from operators.geometry.volume import CtVolume, LabelMap
from operators.importing.label_tables import LabelTable
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.structures import Structures, read_structures
from training.datasets.importing import save
from training.datasets.layout import (
    DATASET_FILE,
    IMAGES,
    LABELS,
    SUFFIX,
    Case,
    DatasetTables,
    LabelledStructure,
    LeftOut,
    read_dataset,
    sha256_of,
    write_dataset,
)
from training.datasets.naming import Numbering
from training.datasets.sources import case_folders
from training.datasets.sources.listing import link_files
from training.files import write_json
from training.labelled_ct.classes import class_name, meaning_of, structure_of
from training.labelled_ct.scoring import anatomy_in, found_in
from training.progress import Tell

RECORD, VERSIONS = "corrections.json", "versions"


@dataclass(frozen=True)
class StructureChange:
    """What a correction changed of one structure: Dice with the prediction, and ml added and removed."""

    structure: str
    dice: float
    added_ml: float
    removed_ml: float


@dataclass(frozen=True)
class FiledCorrection:
    """One version of one case."""

    case: str
    version: int
    who: str
    when: str
    package: str
    package_version: str
    networks: dict[str, str]
    labels_sha256: str
    changes: list[StructureChange]


@dataclass(frozen=True)
class Filing:
    """Where corrections of a package are filed, by whom and when."""

    package: CoarseToFinePackage
    folder: Path
    who: str
    when: str


def add_corrections(
    sources: Sequence[Path], filing: Filing, networks: Networks, tell: Tell
) -> Iterator[FiledCorrection | LeftOut]:
    """Files the corrections among `sources`, files and folders with the CTs that they were drawn on.

    Yields each, or why it cannot be used. Raises UnsuitableError if there is none.
    """
    with tempfile.TemporaryDirectory() as gathered:
        link_files(sources, Path(gathered))
        listing = case_folders.list_cases(Path(gathered))
        if not listing.cases:
            why = "".join(f" {each.source}: {each.reason}" for each in listing.left_out[:1])
            raise UnsuitableError(f"expected a correction and the CT that it was drawn on, got none.{why}")
        yield from listing.left_out
        structures = read_structures(filing.package.folder.parent)
        for at, case in enumerate(listing.cases):
            tell("correct", at / len(listing.cases), f"{case.place}, {at + 1} of {len(listing.cases)}")
            try:
                dataset = corrections_of(filing)
                rows = {row.name: row for row in dataset.structures}
                numbering = Numbering(table_of(filing.package, structures), rows, structures)
                made = case.read(numbering)
                changes = differences(made.image, made.labels, numbering, filing.package, networks)
                yield file_case(filing, dataset, numbering, made.image, made.labels, case.patient, changes)
            except OsteonError as error:
                yield LeftOut(case.place, str(error))


def table_of(package: CoarseToFinePackage, structures: Structures) -> LabelTable:
    """Returns what each label value of a package means, for files without names."""
    entries: dict[str, dict[str, object]] = {}
    for label in package.labels:
        structure, side = structure_of(label.name)
        for number, value in enumerate(label.values, start=1) if structure in structures else ():
            own = {"structure": structure, "fragment": number, "value": value}
            entries[f"{label.name}_{number}"] = own | ({"side": side} if side else {})
    return LabelTable(package.name, "LPS", entries)


def corrections_of(filing: Filing) -> DatasetTables:
    """Returns the tables of what is filed so far."""
    folder = filing.folder
    if (folder / DATASET_FILE).is_file():
        return read_dataset(folder).tables
    title = f"corrections of {filing.package.name}"
    return DatasetTables(
        kind="volume", title=title, source="corrections", imported=filing.when, structures=(), cases=()
    )


def differences(
    image: CtVolume,
    labels: LabelMap,
    numbering: Numbering,
    package: CoarseToFinePackage,
    networks: Networks,
) -> list[StructureChange]:
    """Returns what a correction changes of the package's own prediction."""
    anatomy = anatomy_in(image, package, networks)
    ml = image.grid.voxel_volume_mm3 / 1000
    classes = {row.value: class_of(row, numbering) for row in numbering.rows.values()}
    changes = []
    for name in dict.fromkeys([*(label.name for label in package.labels), *filter(None, classes.values())]):
        own = np.isin(labels.labels, [value for value, each in classes.items() if each == name])
        found = found_in(anatomy, name, own.shape)
        sizes = [int(np.count_nonzero(each)) for each in (own & found, own, found)]
        if sizes[1] or sizes[2]:
            dice = round(2 * sizes[0] / (sizes[1] + sizes[2]), 4)
            added, removed = (round((size - sizes[0]) * ml, 2) for size in sizes[1:])
            changes.append(StructureChange(name, dice, added, removed))
    return changes


def class_of(row: LabelledStructure, numbering: Numbering) -> str | None:
    """Returns the structure of a label with its side, None if nobody knows it."""
    meaning = meaning_of(row)
    return meaning and class_name(meaning, numbering.structures)


def file_case(
    filing: Filing,
    tables: DatasetTables,
    numbering: Numbering,
    image: CtVolume,
    labels: LabelMap,
    patient: str,
    changes: list[StructureChange],
) -> FiledCorrection:
    """Writes a correction; an earlier one of the same CT becomes a former version. Raises OutputError."""
    folder, package = filing.folder, filing.package
    records = read_record(folder)
    case, version = write_files(folder, tables, records, image, labels, patient)
    cases = [each for each in tables.cases if each.name != case.name]
    rows = tuple(sorted(numbering.rows.values(), key=lambda row: row.value))
    write_dataset(folder, tables.model_copy(update={"cases": (*cases, case), "structures": rows}))
    made = FiledCorrection(
        case=case.name,
        version=version,
        who=filing.who,
        when=filing.when,
        package=package.name,
        package_version=package.version,
        networks={spec.name: spec.sha256 for spec in package.networks},
        labels_sha256=case.labels_sha256 or "",
        changes=changes,
    )
    write_json(folder / RECORD, [*records, asdict(made)])
    return made


def write_files(
    folder: Path,
    tables: DatasetTables,
    records: Sequence[dict[str, object]],
    image: CtVolume,
    labels: LabelMap,
    patient: str,
) -> tuple[Case, int]:
    """Writes image and labels of a correction, and keeps those before; returns its case and version."""
    for name in (IMAGES, LABELS, VERSIONS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    part_image, part_labels = folder / f".image{SUFFIX}", folder / f".labels{SUFFIX}"
    save(image.hu, image, part_image)
    save(labels.labels, labels, part_labels)
    # The gzip header holds no time: the same voxels have the same digest
    digest, own = sha256_of(part_image), sha256_of(part_labels)
    earlier = next((case for case in tables.cases if case.image_sha256 == digest), None)
    name = earlier.name if earlier else f"c{len(tables.cases) + 1:04d}"
    version = 1 + sum(record["case"] == name for record in records)
    if earlier:
        former = folder / LABELS / f"{name}{SUFFIX}"
        shutil.copyfile(former, folder / VERSIONS / f"{name}.{version - 1}{SUFFIX}")
    part_image.replace(folder / IMAGES / f"{name}{SUFFIX}")
    part_labels.replace(folder / LABELS / f"{name}{SUFFIX}")
    return Case(name, patient or name, "", digest, own), version


def read_record(folder: Path) -> list[dict[str, object]]:
    """Returns all versions that were filed, oldest first."""
    path = folder / RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
