"""Makes packages of a catalogue's entry: all of them, or none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from operators.dicom.elements.atomic_file import make_folder
from operators.errors import ModelError, UsageError
from operators.importing.catalogue.archives import network_folder, unpack
from operators.importing.catalogue.download import Open, Tell, download, open_url, sha256_of
from operators.importing.catalogue.listing import CatalogueEntry, CatalogueNetwork
from operators.importing.descriptions import Description, describe, left_out, read_model
from operators.importing.install import NewPackage, install_all, require_free
from operators.importing.published import Published, PublishedModel, Wanted
from operators.importing.shared_fracture import SharedFracture

DOWNLOADS = ".downloads"
CARD = "MODEL_CARD.md"


@dataclass(frozen=True, eq=False)
class Installed:
    """A package that was installed, and the network's labels that it does not deliver."""

    new: NewPackage
    folder: Path
    left_out: Sequence[str]


def install_entry(
    entry: CatalogueEntry,
    models: Path,
    source: Path | None,
    tell: Tell,
    open_: Open = open_url,
    shared: SharedFracture | None = None,
) -> list[Installed]:
    """Installs all networks of an entry as packages, from the network or from `source`, a file or folder.

    The fracture network `shared` splits the bones of those that have no network of their own for that.

    Raises UsageError, ModelError, TransientError, OutputError; then no package was added.
    """
    require_allowed(entry, source)
    for network in entry.networks:
        require_free(models, network.package)
    make_folder(models, "a models folder")
    archives = [
        archive_in(entry, network, source) if source else download(network, models / DOWNLOADS, tell, open_)
        for network in entry.networks
    ]
    installed = install_archives(entry, archives, models, tell, shared)
    for archive in archives if source is None else ():
        archive.unlink(missing_ok=True)
        archive.with_suffix(".json").unlink(missing_ok=True)
    return installed


def install_archives(
    entry: CatalogueEntry, archives: Sequence[Path], models: Path, tell: Tell, shared: SharedFracture | None
) -> list[Installed]:
    """Installs the networks of an entry from their archives, in the entry's order, or folders."""
    with unpacked(archives, models, tell) as folders:
        made = list(map(partial(read_network, entry, shared=shared), entry.networks, folders))
        missing = [left_out(*pair) for pair in made]
        texts = map(partial(card, entry), entry.networks, archives, missing)
        tell("install", None, "weights as safetensors")
        targets = install_all(made, models, [{CARD: text} for text in texts])
    return [Installed(new, at, lacks) for (_, new), at, lacks in zip(made, targets, missing, strict=True)]


def require_allowed(entry: CatalogueEntry, source: Path | None) -> None:
    """Raises ModelError for weights whose licence forbids the use, or which are not downloaded."""
    if source is not None:
        return
    if entry.forbids:
        raise ModelError(
            f"expected a licence that allows the use, that of {entry.title} forbids {entry.forbids}. "
            f"{entry.terms} See {entry.address}; with a licence of your own, fetch the files {entry.by_hand} "
            "and use --from",
            code="licence_forbids",
        )
    if entry.by_hand:
        raise ModelError(
            f"expected the files of {entry.title} at --from; they are fetched by hand, {entry.by_hand}: "
            f"{entry.address}",
            code="fetched_by_hand",
        )


def archive_in(entry: CatalogueEntry, network: CatalogueNetwork, source: Path) -> Path:
    """Returns the archive or folder of a network at `source`. Raises UsageError, ModelError."""
    own = [source / network.archive, source / Path(network.archive).stem] if network.archive else []
    # One network: the archive itself, or the folder that was in it
    places = [*own, source] if len(entry.networks) == 1 else own
    found = next((place for place in places if place.exists()), None)
    if found is None:
        names = " and ".join(each.archive for each in entry.networks)
        raise UsageError(f"expected {names}, or the folders in them, at --from, got {source}")
    if found.is_file() and network.sha256 and sha256_of(found) != network.sha256:
        text = f"expected {found.name} with SHA-256 {network.sha256[:12]}..., got another"
        raise ModelError(text, code="archive_altered")
    return found


@contextmanager
def unpacked(archives: Sequence[Path], models: Path, tell: Tell) -> Iterator[list[Path]]:
    """Yields the folder of each archive; those of files are temporary."""
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=models, ignore_cleanup_errors=True) as part:
        folders = []
        for at, archive in enumerate(archives):
            tell("unpack", at / len(archives), archive.name)
            folders.append(archive if archive.is_dir() else unpack(archive, Path(part) / str(at)))
        yield folders


def read_network(
    entry: CatalogueEntry, network: CatalogueNetwork, folder: Path, shared: SharedFracture | None = None
) -> tuple[Published, NewPackage]:
    """Reads a network and describes its package. Raises ModelError, UsageError."""
    at = network_folder(folder, network.folder)
    fractures = network_folder(folder, network.fractures) if network.fractures else None
    model = read_model(at, fractures, Wanted(network.folds, mirroring=network.mirroring))
    said = Description(
        network.package, entry.title, network.labels, network.by_value, network.orientation, known_only=True
    )
    new = describe(model, said)
    splittable = isinstance(model, PublishedModel) and model.fracture is None
    return model, replace(new, shared=shared) if splittable else new


def card(entry: CatalogueEntry, network: CatalogueNetwork, archive: Path, missing: Sequence[str]) -> str:
    """Returns the model card: whose weights these are, on which terms, and where they come from."""
    checksum = f"SHA-256 {sha256_of(archive)}" if archive.is_file() else "read from a folder"
    proof = "as listed" if network.sha256 else "the maker lists none"
    rest = f"\nNot delivered: {', '.join(missing)}.\n" if missing else ""
    return (
        f"# {network.package}\n\n{entry.title}: {entry.gives}.\n\n"
        f"Maker: {entry.maker}, {entry.address}\n\nLicence of the weights: {entry.licence}. {entry.terms}\n\n"
        f"Cite: {entry.citation}\n\nSource: {network.url or entry.by_hand}; {checksum} ({proof}).\n{rest}"
    )
