"""Several packages for one series as one: their labels together, each value used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from operators.packages.packages import Acceptance, Label, ModelPackage, NetworkSpec, QualityRules


@dataclass(frozen=True)
class JointPackage(ModelPackage):
    """A package that represents all of its `parts`; see `join_packages`."""

    kind: ClassVar[str] = "joint"

    parts: tuple[ModelPackage, ...]

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage; a network that two packages share is named once."""
        found: list[NetworkSpec] = []
        for part in self.parts:
            found += [spec for spec in part.networks if not any(spec.runs_like(each) for each in found)]
        return tuple(found)

    @property
    def options(self) -> tuple[str, ...]:
        """See ModelPackage."""
        return tuple(f"{part.name} {option}" for part in self.parts for option in part.options)

    def maker_of(self, bone: str) -> ModelPackage:
        """Returns the part that delivers a bone; a bone of a row may have a number, which is no label."""
        of_label = (part for part in self.parts if any(label.name == bone for label in part.labels))
        return next(of_label, None) or next(part for part in self.parts if part.levels is not None)


def join_packages(packages: Sequence[ModelPackage]) -> ModelPackage:
    """Joins the packages that read a series into one; returns a single one unchanged.

    A bone that several deliver is taken from the first of them. Values are allocated anew: the first package
    keeps its own, those of the others are moved up so that each value is used only once.
    """
    if len(packages) == 1:
        return packages[0]
    first = packages[0]
    return JointPackage(
        name="+".join(package.name for package in packages),
        version="+".join(package.version for package in packages),
        title=", ".join(package.title for package in packages),
        algorithm_name=", ".join(package.algorithm_name for package in packages),
        accepts=_accepts([package.accepts for package in packages]),
        labels=tuple(label for labels in allocate_values(packages) for label in labels.values()),
        folder=first.folder.parent,
        quality=_strictest([package.quality for package in packages]),
        parts=tuple(packages),
    )


def allocate_values(packages: Sequence[ModelPackage]) -> list[dict[int, Label]]:
    """Returns each package's labels in the joint result, by the first values that the package gives."""
    taken: set[str] = set()
    highest, found = 0, []
    for package in packages:
        own = [label for label in package.labels if label.name not in taken]
        lowest = min((label.first_value for label in own), default=highest + 1)
        offset = max(highest + 1 - lowest, 0)
        found.append({label.first_value: move_values(label, offset) for label in own})
        taken |= {label.name for label in own}
        highest = max([highest, *(label.last_value + offset for label in own)])
    return found


def move_values(label: Label, offset: int) -> Label:
    """Returns the same bone under values that are higher by `offset`."""
    return replace(label, first_value=label.first_value + offset, last_value=label.last_value + offset)


def network_name(part: ModelPackage, network: str) -> str:
    """Returns a unique name for a network in a joint result, in which several parts may use the same name."""
    return f"{part.name}/{network}"


def parts_of(package: ModelPackage) -> tuple[ModelPackage, ...]:
    """Returns the packages that a package represents."""
    return package.parts if isinstance(package, JointPackage) else (package,)


def _accepts(rules: Sequence[Acceptance]) -> Acceptance:
    """Returns the limits within which all of them read a series."""
    return replace(
        rules[0],
        body_parts=tuple(dict.fromkeys(part for each in rules for part in each.body_parts)),
        maximum_slice_spacing_mm=min(each.maximum_slice_spacing_mm for each in rules),
    )


def _strictest(rules: Sequence[QualityRules]) -> QualityRules:
    """Returns the strictest limit of each kind; 0 means none."""
    least = {
        field.name: min((value for each in rules if (value := getattr(each, field.name))), default=0.0)
        for field in fields(QualityRules)
    }
    return QualityRules(**least)
