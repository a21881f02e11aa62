"""`osteon models install`: makes packages of published models that the catalogue lists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.prompt import Confirm

from app.cli.arguments import Config, Models
from app.cli.training_display import training_display
from app.settings import read_settings
from operators.errors import UsageError
from operators.importing.catalogue.listing import CATALOGUE, CatalogueEntry, entry_named, read_catalogue


def install(
    name: str | None = None,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    accept_licence: Annotated[bool, Parameter(negative="")] = False,
    catalogue: Path | None = None,
    whole: Annotated[bool, Parameter(negative="")] = False,
    models: Models = None,
    config: Config = None,
) -> int:
    """Fetch the published model NAME and make packages of it; without NAME, list what can be fetched.

    Shows licence and size and asks first. An interrupted download is resumed. Nothing of a model is executed;
    either all of its packages are installed or none.

    Parameters
    ----------
    name
        Name of a model in the catalogue.
    from_
        The downloaded archive, or a folder with the archives or their contents; then nothing is downloaded.
    accept_licence
        Do not ask: you have read and accept the licence.
    catalogue
        A catalogue to read instead of Osteon's own, such as one with the addresses of a site's mirror.
    whole
        Deliver bones whole; otherwise the shared fracture network splits those that Osteon's packages split.
    """
    entries = read_catalogue(catalogue or CATALOGUE)
    if name is None:
        for each, entry in entries.items():
            print(f"{each}: {entry.title} ({entry.licence}, {entry.size})\n  {entry.gives}")
        return 0
    entry = entry_named(entries, name)
    show_terms(entry)
    require_accepted(name, accept_licence)
    return install_packages(entry, read_settings(config, models=models).models, from_, whole)


def install_packages(entry: CatalogueEntry, folder: Path, source: Path | None, whole: bool) -> int:
    """Installs the packages of an entry in the models `folder`, and prints what was made."""
    from app.cli.models.importing import import_message
    from operators.importing.catalogue.installing import install_entry
    from operators.importing.shared_fracture import shared_fracture

    with training_display(Console(stderr=True)) as tell:
        shared = None if whole else shared_fracture(folder)
        installed = install_entry(entry, folder, source, tell, shared=shared)
    for each in installed:
        if each.left_out:
            print(f"{each.new.name}: does not deliver {', '.join(each.left_out)}")
    return max(import_message(each.new, each.folder) for each in installed)


def show_terms(entry: CatalogueEntry) -> None:
    """Prints whose the model is, its licence and its size, on stderr."""
    packages = ", ".join(each.package for each in entry.networks)
    lines = [
        f"{entry.title}, by {entry.maker} ({entry.address})",
        f"gives: {entry.gives}",
        f"licence: {entry.licence}. {entry.terms}",
        *([f"the licence forbids {entry.forbids}"] if entry.forbids else []),
        f"download: {entry.size}; packages: {packages}",
        f"cite: {entry.citation}",
    ]
    print("\n".join(lines), file=sys.stderr)


def require_accepted(name: str, accepted: bool) -> None:
    """Asks on a terminal. Raises UsageError if the licence is not accepted."""
    if accepted:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"expected --accept-licence, as nobody can be asked: osteon models install {name}")
    if not Confirm.ask("Do you accept the licence?", console=Console(stderr=True), default=False):
        raise UsageError("expected the licence to be accepted; nothing was installed")
