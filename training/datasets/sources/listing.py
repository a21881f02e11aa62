"""A source's cases, before any of them is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets.label_maps import Labelled
from training.datasets.layout import LeftOut
from training.datasets.naming import Numbering


@dataclass(frozen=True, eq=False)
class SourceCase:
    """A case as its source lists it: its place there, its name, its patient if the source says who that is.

    `read` returns the image with its labels; it raises OsteonError if the case cannot be used.
    """

    place: str
    name: str
    read: Callable[[Numbering], Labelled]
    patient: str = ""


@dataclass(frozen=True, eq=False)
class Listing:
    """The cases of a source, what of it is no case, and the value of voxels that nobody labelled."""

    title: str
    cases: Sequence[SourceCase]
    left_out: Sequence[LeftOut] = ()
    ignore: int | None = None


def link_files(sources: Sequence[Path], folder: Path) -> None:
    """Makes one folder of files and of what is below folders, so that names and headers pair them.

    Files lie beside each other; if two have the same name, those of each folder lie apart.
    """
    given = list(dict.fromkeys(source.absolute() for source in sources))
    files = [source for source in given if source.is_file()]
    apart = len({file.name for file in files}) < len(files)
    parents = list(dict.fromkeys(file.parent for file in files))
    for number, source in enumerate(given):
        if source.is_file():
            place = f"files{parents.index(source.parent)}" if apart else "."
            link(source, folder / place / source.name)
        else:
            for path in sorted(each for each in source.rglob("*") if each.is_file()):
                link(path, folder / f"{number}" / path.relative_to(source))


def link(path: Path, target: Path) -> None:
    """Makes `target` a link to a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(path.resolve())
