"""Groups planes by the DICOM series that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from operators.dicom.headers.planes import Plane, SeriesKey


@dataclass(frozen=True, eq=False)
class Group:
    """Planes of one series; `label` and `warnings` report others under its UID that were kept apart."""

    key: SeriesKey
    planes: tuple[Plane, ...]
    label: str
    warnings: tuple[str, ...]


def group_planes(planes: Sequence[Plane]) -> list[Group]:
    """Returns the groups in the order of their keys; planes of one UID but several patients stay apart."""
    by_uid: dict[str, list[Plane]] = {}
    for plane in planes:
        by_uid.setdefault(plane.origin.key.series_instance_uid, []).append(plane)
    groups = [group for uid, members in by_uid.items() for group in _groups(members, named=bool(uid))]
    return sorted(groups, key=lambda group: group.key)


def _groups(planes: Sequence[Plane], *, named: bool) -> list[Group]:
    """Groups planes by key. Without a UID nothing shows that planes belong together: no warning is given."""
    counted = Counter(plane.origin.key for plane in planes)
    keys = _spelled_alike(counted) if named and len(counted) > 1 else {key: key for key in counted}
    members: dict[SeriesKey, list[Plane]] = {}
    for plane in planes:
        members.setdefault(keys[plane.origin.key], []).append(plane)
    ordered = sorted(members.items())
    names = _differing(list(members)) if named else ""
    groups = []
    for n, (key, own) in enumerate(ordered, 1):
        label = f"part {n} of {len(ordered)} by {names}" if names else ""
        others = len(planes) - len(own)
        loss = (f"{others} other slices under this SeriesInstanceUID differ in {names} and were kept apart",)
        groups.append(Group(key, tuple(own), label, loss if names else ()))
    return groups


def _spelled_alike(counted: Counter[SeriesKey]) -> dict[SeriesKey, SeriesKey]:
    """Returns the representative key of each: missing values and other spellings count as the usual value."""
    leaders: list[SeriesKey] = []
    keys: dict[SeriesKey, SeriesKey] = {}
    for key in sorted(counted, key=lambda key: (-sum(map(bool, astuple(key))), -counted[key], key)):
        leader = next((each for each in leaders if _may_be(key, each)), key)
        if leader is key:
            leaders.append(key)
        keys[key] = leader
    several = len(leaders) > 1
    # A key that only states less than its leader may be that of any of several
    return {key: key if several and not _may_be(leader, key) else leader for key, leader in keys.items()}


def _may_be(key: SeriesKey, other: SeriesKey) -> bool:
    """Returns whether `key` agrees with `other` in everything that it states."""
    pairs = zip(astuple(key), astuple(other), strict=True)
    return all(not one or _plain(one) == _plain(two) for one, two in pairs)


def _plain(value: str) -> str:
    """Removes letter case and spaces, in which spellings of one identifier differ."""
    return "".join(value.split()).casefold()


def _differing(keys: Sequence[SeriesKey]) -> str:
    names = (field.name for field in fields(SeriesKey))
    return ", ".join(name.replace("_", " ") for name in names if len({getattr(k, name) for k in keys}) > 1)
