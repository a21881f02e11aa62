"""Stores the versions of an instance: the one in use, and the others until their study is removed.

inbox/<study>/<series>/<instance>.dcm      the version in use
conflicts/<study>/<instance>.<hash>.dcm    another version, about which nothing is decided yet
replaced/<study>/<instance>.<hash>.dcm     a version that was in use before, or was rejected
replaced/<study>/next.json                 a correction that is being carried out
replaced/<study>/<number>.json             a correction that was carried out
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from app.node.queue.job import Json
from app.node.storage.json_file import read_json, write_json
from app.node.storage.pending_file import content_hash
from operators.dicom.elements.atomic_file import sync_path

CONFLICTS, REPLACED = "conflicts", "replaced"
NEXT = "next.json"
HASH_LETTERS = 16


@dataclass(frozen=True)
class Version:
    """A file of `conflicts` or `replaced`, by its name."""

    name: str

    @property
    def sop_instance_uid(self) -> str:
        """Returns the UID of the instance."""
        return self.name.removesuffix(".dcm").rpartition(".")[0]


@dataclass(frozen=True)
class Swap:
    """Replaces the instance `path` below its study's inbox by `version`, and keeps it as `former`."""

    path: str
    version: str
    former: str


@dataclass(frozen=True)
class Correction:
    """Later versions of some instances of a study; `keywords` are the attributes that differ."""

    study: str
    keywords: tuple[str, ...]
    swaps: tuple[Swap, ...]
    unwanted: tuple[str, ...] = ()


def studies_in_conflict(data: Path) -> list[str]:
    """Returns the studies that have a folder of conflicts."""
    with suppress(FileNotFoundError), os.scandir(data / CONFLICTS) as entries:
        return [entry.name for entry in entries if entry.is_dir()]
    return []


def conflicting(data: Path, study: str) -> list[Version]:
    """Returns the versions that were received under UIDs that are taken, by name."""
    return versions_in(data / CONFLICTS / study)


def versions_in(folder: Path) -> list[Version]:
    """Returns every version in a folder, which need not exist."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return [Version(name) for name in sorted(entry.name for entry in entries) if name.endswith(".dcm")]
    return []


def swap_of(data: Path, study: str, path: str, version: Version) -> Swap:
    """Returns a swap; reads the instance in use for the hash in its later name. Raises OSError."""
    former = version_name(version.sop_instance_uid, data / "inbox" / study / path)
    return Swap(path, version.name, former)


def version_name(sop_instance_uid: str, path: Path) -> str:
    """Returns a version's name in the format of the inbox. Raises OSError."""
    return f"{sop_instance_uid}.{content_hash(path)[:HASH_LETTERS]}.dcm"


def carry_out(data: Path, correction: Correction, tell: Callable[[Correction], None]) -> None:
    """Puts the later versions into use. Raises OSError, after which `finish` can continue."""
    write_json(data / REPLACED / correction.study / NEXT, asdict(correction))
    finish(data, correction.study, tell)


def unfinished(data: Path) -> list[str]:
    """Returns the studies with an unfinished correction."""
    with suppress(FileNotFoundError), os.scandir(data / REPLACED) as entries:
        return [entry.name for entry in entries if Path(entry.path, NEXT).exists()]
    return []


def finish(data: Path, study: str, tell: Callable[[Correction], None]) -> None:
    """Continues a correction from any point of interruption; all its steps can be repeated.

    `tell` is called when everything is done but not yet recorded as done: after a crash it may be called
    twice, but it is called at least once.
    """
    kept = data / REPLACED / study
    correction = correction_of(read_json(kept / NEXT))
    for swap in correction.swaps:
        keep(data, study, swap)
    sync_path(kept)
    for swap in correction.swaps:
        bring_in(data, study, swap)
    for folder in {(data / "inbox" / study / swap.path).parent for swap in correction.swaps}:
        sync_path(folder)
    set_aside(data, study, map(Version, correction.unwanted))
    tell(correction)
    (kept / NEXT).rename(kept / f"{count_corrections(data, study) + 1}.json")
    sync_path(kept)
    remove_empty(data / CONFLICTS / study)


def keep(data: Path, study: str, swap: Swap) -> None:
    """Gives the instance in use a second name, unless the later version has replaced it already."""
    current = data / "inbox" / study / swap.path
    if (data / CONFLICTS / study / swap.version).exists() and current.exists():
        with suppress(FileExistsError):
            os.link(current, data / REPLACED / study / swap.former)


def bring_in(data: Path, study: str, swap: Swap) -> None:
    """Moves the later version to the name of the instance in use."""
    final = data / "inbox" / study / swap.path
    final.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        (data / CONFLICTS / study / swap.version).replace(final)


def correction_of(values: Json) -> Correction:
    """Returns a correction from the values that `carry_out` wrote."""
    swaps = tuple(Swap(**each) for each in values["swaps"])
    return Correction(values["study"], tuple(values["keywords"]), swaps, tuple(values["unwanted"]))


def count_corrections(data: Path, study: str) -> int:
    """Returns the number of corrections carried out for a study."""
    return len(corrections_of(data, study))


def corrections_of(data: Path, study: str) -> list[Path]:
    """Returns the records of the corrections carried out, first to last."""
    with suppress(FileNotFoundError), os.scandir(data / REPLACED / study) as entries:
        numbers = [entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json")]
        return [data / REPLACED / study / f"{n}.json" for n in sorted(int(n) for n in numbers if n.isdigit())]
    return []


def corrected_keywords(data: Path, study: str, since: int) -> tuple[str, ...]:
    """Returns the attributes changed by corrections after the first `since` ones."""
    found: dict[str, None] = {}
    for path in corrections_of(data, study)[since:]:
        found |= dict.fromkeys(read_json(path)["keywords"])
    return tuple(found)


def set_aside(data: Path, study: str, versions: Iterable[Version]) -> None:
    """Keeps versions that are not put into use until the study is removed. Raises OSError."""
    kept = data / REPLACED / study
    kept.mkdir(parents=True, exist_ok=True)
    for version in versions:
        with suppress(FileNotFoundError):
            (data / CONFLICTS / study / version.name).replace(kept / version.name)
    sync_path(kept)
    sync_path(kept.parent)
    remove_empty(data / CONFLICTS / study)


def store_version(data: Path, study: str, path: str, version: Version) -> None:
    """Moves a version whose instance was removed meanwhile to the inbox. Raises OSError."""
    final = data / "inbox" / study / path
    final.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.link(data / CONFLICTS / study / version.name, final)
        sync_path(final.parent)
        sync_path(final.parent.parent)
        (data / CONFLICTS / study / version.name).unlink()
    remove_empty(data / CONFLICTS / study)


def remove_empty(folder: Path) -> None:
    """Removes a folder if it is empty."""
    with suppress(OSError):
        folder.rmdir()
