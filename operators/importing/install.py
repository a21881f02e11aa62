"""Writes a published model as a package, atomically, and verifies installed packages."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomlkit

from operators.dicom.elements.atomic_file import make_folder, unwritable_folder
from operators.errors import ModelError, UsageError
from operators.importing.package_tables import TABLES, Table
from operators.importing.published import Published
from operators.importing.shared_fracture import SharedFracture
from operators.networks.architectures.architecture_table import build
from operators.networks.weights import fill, load_weights
from operators.package_files.package_reader import DRAFT_FILE, PACKAGE_FILE, lacks_code, read_package
from operators.packages.packages import ModelPackage

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
# CT Image Storage and Enhanced CT Image Storage (PS3.4 B.5)
CT_STORAGE = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"]
# Published plans do not say which images a model may read: any body region, and anything that is a volume
ACCEPTS = {
    "modalities": ["CT"],
    "sop_class_uids": CT_STORAGE,
    "body_parts": [],
    "minimum_slices": 5,
    "minimum_extent_mm": 20.0,
    "maximum_slice_spacing_mm": 6.0,
    "maximum_pixel_spacing_mm": 3.0,
}
DRAFT_NOTE = """\
# A draft: some labels have no code yet. Fill in type.value and type.meaning of each (SNOMED CT), add
# laterality where there is a side, or take out rows that need not be delivered; then:
#   osteon models verify {name}
"""


@dataclass(frozen=True)
class NewPackage:
    """A new package: name, title, labels, orientation, and the fracture network that splits its bones."""

    name: str
    title: str
    labels: list[dict[str, Any]]
    orientation: str
    shared: SharedFracture | None = None

    @property
    def complete(self) -> bool:
        """Whether every label has a code."""
        return not any(lacks_code(row) for row in self.labels)


def install(model: Published, new: NewPackage, models: Path) -> Path:
    """Writes a package below `models` in one rename, and returns its folder. Raises as `install_all`."""
    (target,) = install_all([(model, new)], models)
    return target


def install_all(
    made: Sequence[tuple[Published, NewPackage]], models: Path, texts: Sequence[Mapping[str, str]] = ()
) -> list[Path]:
    """Writes new packages to their folders below `models`, all or none, and returns the folders.

    `texts` are further files of each. Raises UsageError for a name that is taken or invalid, ModelError for
    weights that do not fit, OutputError if a folder cannot be written.
    """
    with new_packages(models, [new.name for _, new in made]) as folders:
        for (model, new), folder, files in zip(made, folders, texts or [{}] * len(made), strict=True):
            write(model, new, models, folder)
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
    return [models / new.name for _, new in made]


@contextmanager
def new_packages(models: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Yields empty folders, which become packages of these names below `models`; none does on an error.

    Raises UsageError for a name that is taken or invalid, OutputError if a folder cannot be written.
    """
    targets = [require_free(models, name) for name in names]
    part, done = None, list[Path]()
    try:
        make_folder(models, "a models folder")
        part = Path(tempfile.mkdtemp(prefix=".import-", dir=models))
        # One level deeper than the folders in which packages are searched
        folders = [part / name for name in names]
        for folder in folders:
            folder.mkdir()
        yield folders
        for folder, target in zip(folders, targets, strict=True):
            folder.rename(target)
            done.append(target)
    except OSError as error:
        for target in done:
            shutil.rmtree(target, ignore_errors=True)
        raise unwritable_folder(models, "a models folder", error) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def require_free(models: Path, name: str) -> Path:
    """Returns the folder of a new package. Raises UsageError for a name that is taken or invalid."""
    if not NAME.fullmatch(name):
        raise UsageError(f"expected a name of a-z, 0-9, - and _, got {name!r}; give one with --name")
    target = models / name
    if target.exists():
        raise UsageError(f"expected an unused name, got {name}, which exists; give another with --name")
    return target


def write(model: Published, new: NewPackage, models: Path, folder: Path) -> None:
    """Writes the weights and the package file."""
    tables = TABLES[type(model)](model, new.orientation, folder)
    if new.shared is not None and any(map(new.shared.splits, new.labels)):
        tables["networks"] = {"fracture": new.shared.network(models, folder)}
        tables |= new.shared.package(new.labels)
    text = package_text(model, new, tables)
    name = PACKAGE_FILE if new.complete else DRAFT_FILE
    (folder / name).write_text(text, encoding="utf-8")
    if new.complete:
        read_package(folder / name)


def package_text(model: Published, new: NewPackage, tables: Table) -> str:
    """Returns the text of package.toml."""
    head = {"name": new.name, "version": "1", "title": new.title, "algorithm_name": new.title[:64]}
    content = {"kind": tables["kind"], **head, "origin": asdict(model.origin), "accepts": ACCEPTS}
    content |= {**tables, "labels": tables.get("labels", new.labels)}
    note = "" if new.complete else DRAFT_NOTE.format(name=new.name)
    return note + tomlkit.dumps({key: compact(value) for key, value in content.items()})


def compact(value: Any, depth: int = 1) -> Any:
    """Returns a value of package.toml with each innermost table on one line, which is easier to read."""
    if isinstance(value, (list, tuple)):
        return [compact(each, depth) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {key: compact(each, depth + 1) for key, each in value.items()}
    if depth == 1 or any(isinstance(each, dict) for each in value.values()):
        return inner
    line = tomlkit.inline_table()
    line.update(inner)
    return line


def verify(folder: Path) -> ModelPackage:
    """Returns the package of a folder after checking its file, labels and every network.

    A draft whose labels are filled in becomes a package. Raises ModelError.
    """
    draft = folder / DRAFT_FILE
    package = read_package(draft if draft.is_file() else folder / PACKAGE_FILE)
    for spec in package.networks:
        network = build(spec.architecture, **spec.arguments)
        try:
            fill(network, load_weights(spec.weights, spec.sha256).tensors)
        except RuntimeError as error:
            raise ModelError(
                f"expected weights of {spec.architecture} in {spec.weights.name}, got others",
                code="weights_do_not_fit",
            ) from error
    if draft.is_file():
        draft.rename(folder / PACKAGE_FILE)
    return package
