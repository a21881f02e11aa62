"""The classes of a training: which structure of structures.toml each label of a data set is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from operators.errors import UsageError
from operators.packages.structures import STRUCTURES_FILE, Side, Structures, structure_named
from training.datasets.layout import Dataset, LabelledStructure
from training.recipe import SIDES

LEFT_OUT = "-"
SIDE_NAMES: Mapping[str, Side] = {"left": "left", "right": "right"}
HOW = "--label NAME=STRUCTURE[:left|:right], or NAME=- to leave it out"


def names_of_values(dataset: Dataset, told: Sequence[str], structures: Structures) -> dict[int, str]:
    """Returns the class of each label value, such as "NAME_left"; several values of one class are fragments.

    `told` are the user's own, as NAME=STRUCTURE. Raises UsageError for a label that nobody named.
    """
    own = read_told(told, dataset)
    found, unknown = dict[int, str](), list[str]()
    for row in dataset.tables.structures:
        meaning = own[row.name] if row.name in own else meaning_of(row)
        if meaning is None:
            unknown.append(row.name)
        elif meaning != LEFT_OUT:
            found[row.value] = class_name(meaning, structures)
    if unknown:
        raise UsageError(
            f"expected a structure of {STRUCTURES_FILE} for each label, got none for {', '.join(unknown)}; "
            f"give {HOW}"
        )
    if not found:
        raise UsageError(f"expected a label to train on, got none in {dataset.folder.name}")
    return found


def require_as_planned(
    planned: Mapping[str, str], plan: Path, dataset: Dataset, told: Sequence[str], structures: Structures
) -> None:
    """Raises UsageError if the user's own structures are others than those of a plan that is there already.

    `planned` is the class of each label value in the file `plan`.
    """
    for name, meaning in read_told(told, dataset).items():
        wanted = LEFT_OUT if meaning == LEFT_OUT else class_name(meaning, structures)
        own = {planned.get(str(value), LEFT_OUT) for value, each in dataset.names.items() if each == name}
        if own != {wanted}:
            raise UsageError(
                f"expected {name} to be {', '.join(sorted(own))}, as {plan} says, got --label "
                f"{name}={meaning}; change it there, or use another --runs"
            )


def read_told(told: Sequence[str], dataset: Dataset) -> dict[str, str]:
    """Returns the structure that the user gives for each label. Raises UsageError."""
    known, found = set(dataset.names.values()), dict[str, str]()
    for each in told:
        name, equals, meaning = each.rpartition("=")
        if not equals or not meaning or name not in known:
            raise UsageError(f"expected {HOW}, of {', '.join(sorted(known))}, got {each!r}")
        found[name] = meaning
    return found


def meaning_of(row: LabelledStructure) -> str | None:
    """Returns what the data set says that a label is, None if it does not say."""
    return row.structure and (f"{row.structure}:{row.side}" if row.side else row.structure)


def class_name(meaning: str, structures: Structures) -> str:
    """Returns the class of a structure with its side. Raises UsageError if there is none."""
    structure, _, side = meaning.partition(":")
    if side and side not in SIDE_NAMES:
        raise UsageError(f"expected {HOW}, got {meaning!r}")
    try:
        return structure_named(structures, structure, SIDE_NAMES.get(side)).name
    except ValueError as error:
        raise UsageError(str(error)) from error


def structure_of(name: str) -> tuple[str, Side | None]:
    """Returns the structure and the side of a class."""
    for suffix in SIDES:
        if name.endswith(suffix):
            return name.removesuffix(suffix), SIDE_NAMES[suffix[1:]]
    return name, None


def values_by_class(names: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """Returns the label values of each class, in order."""
    return {
        name: tuple(value for value in sorted(names) if names[value] == name)
        for name in dict.fromkeys(names[value] for value in sorted(names))
    }
