"""Reads the catalogue of published networks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, TypeAdapter, model_validator

from operators.errors import UsageError
from operators.packages.toml_files import STRICT, read_toml, validated

CATALOGUE = Path(__file__).with_name("catalogue.toml")


class CatalogueNetwork(BaseModel):
    """One network of an entry, which becomes one package; catalogue.toml describes the keys."""

    model_config = STRICT

    package: str
    url: str = ""
    bytes: Annotated[int, Field(gt=0)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    folder: str = "*"
    fractures: str | None = None
    labels: str
    by_value: bool = False
    orientation: str | None = None
    folds: tuple[str, ...] = ()
    mirroring: bool = True

    @model_validator(mode="after")
    def _require_proof(self) -> CatalogueNetwork:
        """Raises ValueError for an address without https and without a checksum."""
        scheme = urlsplit(self.url).scheme
        if self.url and scheme != "https" and not (scheme == "http" and self.sha256):
            raise ValueError(f"expected an https address, or http with a sha256, got {self.url}")
        return self

    @property
    def archive(self) -> str:
        """Returns the file name of the archive."""
        return Path(urlsplit(self.url).path).name


class CatalogueEntry(BaseModel):
    """A published model: whose it is, on which terms, and its networks."""

    model_config = STRICT

    title: str
    maker: str
    gives: str
    licence: str
    terms: str
    address: str
    citation: str
    forbids: str = ""
    by_hand: str = ""
    networks: Annotated[tuple[CatalogueNetwork, ...], Field(min_length=1)]

    @property
    def size(self) -> str:
        """Returns the size of the download in words, or why there is none."""
        if self.forbids or self.by_hand:
            return f"forbids {self.forbids}" if self.forbids else "fetched by hand"
        known = [each.bytes for each in self.networks if each.bytes]
        if len(known) < len(self.networks):
            return "size not published"
        return f"{sum(known) / 1e6:.0f} MB"


def read_catalogue(path: Path = CATALOGUE) -> Mapping[str, CatalogueEntry]:
    """Returns the entries of a catalogue, by name. Raises ModelError."""
    read = partial(validated, TypeAdapter(dict[str, CatalogueEntry]))
    return read_toml(path, read, "a catalogue of models", "catalogue_unreadable")


def entry_named(catalogue: Mapping[str, CatalogueEntry], name: str) -> CatalogueEntry:
    """Returns the entry of that name. Raises UsageError."""
    if name not in catalogue:
        raise UsageError(f"expected one of the models {', '.join(catalogue)}, got {name!r}")
    return catalogue[name]
