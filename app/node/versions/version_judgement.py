"""Judges versions of instances: correction, no relevant difference, or a conflict for a person to decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from app.node.queue.completeness import Content
from app.node.queue.decisions import INCOMPLETE
from app.node.versions.instance_versions import CONFLICTS, Version
from app.printable import counted
from operators.dicom.elements.instance_identity import read_instance
from operators.dicom.pixels.version_differences import Belonging, Difference, belonging, difference
from operators.errors import UnreadableError

# The code and the sentence of a conflict
Verdict = tuple[str, str]
CHOICE = "`osteon jobs accept` uses them, `osteon jobs dismiss` keeps those that are in use"
UNREADABLE = (
    "unreadable_version", f"expected a readable version of an image, got a damaged one; {CHOICE}"
)  # fmt: skip
NOTHING, NOBODYS = Difference((), ()), Belonging("", "", "", "", "")


class VersionKind(Enum):
    """The kinds of version; the instance of a STRAY was removed with its study while the version arrived."""

    CANDIDATE = "candidate"
    NO_MATTER = "makes no difference"
    UNREADABLE = "unreadable"
    STRAY = "stray"


@dataclass(frozen=True)
class VersionCandidate:
    """A version, the path of its instance below the study, its patient and study data, and the differences.

    `is_former`: it was in use before, or a person rejected it.
    """

    version: Version
    kind: VersionKind
    path: str = ""
    belonging: Belonging = NOBODYS
    difference: Difference = NOTHING
    is_former: bool = False

    @property
    def keywords(self) -> tuple[str, ...]:
        """Returns the keywords of all attributes that differ."""
        return (*self.difference.image, *self.difference.description)


def examine(
    data: Path, study: str, version: Version, images: frozenset[str], former: frozenset[str]
) -> VersionCandidate:
    """Compares a version with the instance in use if that is one of `images`. Raises OSError."""
    file = data / CONFLICTS / study / version.name
    try:
        instance = read_instance(file)
        path = f"{instance.series_instance_uid}/{version.sop_instance_uid}.dcm"
        current = data / "inbox" / study / path
        if not current.exists():
            return VersionCandidate(version, VersionKind.STRAY, path)
        found = difference(current, file) if path in images else NOTHING
        kind = VersionKind.CANDIDATE if found.image or found.description else VersionKind.NO_MATTER
        return VersionCandidate(version, kind, path, belonging(file), found, version.name in former)
    except UnreadableError:
        return VersionCandidate(version, VersionKind.UNREADABLE)


def verdict(
    group: Sequence[VersionCandidate], several: bool, content: Content, read: Callable[[str], Belonging]
) -> Verdict | None:
    """Returns the code and the sentence of a conflict, or None for a correction."""
    words = ", ".join(dict.fromkeys(word for each in group for word in each.keywords))
    if any(each.is_former for each in group):
        instances = counted(len(group), "instance")
        text = f"expected later versions, got {instances} in the version from before a correction"
        return "former_version", f"{text} ({words}); {CHOICE}"
    if several or len({each.path for each in group}) < len(group):
        text = "expected one later version of each image, got several"
        return "several_versions", f"{text} ({words}); {CHOICE}"
    image = dict.fromkeys(word for each in group for word in each.difference.image)
    if image:
        text = f"expected the same images under UIDs that are taken, {len(group)} are different"
        return "other_image", f"{text} ({', '.join(image)}); {CHOICE}"
    if not is_complete_correction(group, content, read):
        text = f"expected all images of one patient again, {len(group)} were sent with a different"
        return INCOMPLETE, f"{text} {words}; send the others too, or use `osteon jobs dismiss`"
    return None


def is_complete_correction(
    group: Sequence[VersionCandidate], content: Content, read: Callable[[str], Belonging]
) -> bool:
    """Returns whether the swap leaves all images of the affected series together, and of one patient."""
    swapped = {each.path for each in group}
    touched = {each.belonging.series_instance_uid: set[str]() for each in group}
    for each in group:
        touched[each.belonging.series_instance_uid].add(each.belonging.series)
    patient, others = group[0].belonging.patient, dict[str, str]()
    for path in content.images:
        series = path.partition("/")[0]
        if series in touched and path not in swapped and read(path).series not in touched[series]:
            return False
        if series not in touched:
            others.setdefault(series, path)
    return all(read(path).patient == patient for path in others.values())
