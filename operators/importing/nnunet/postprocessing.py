"""Reads nnU-Net's post-processing: the labels of which only the largest component is kept."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from math import inf
from pathlib import Path
from typing import Any

from operators.geometry.components import Largest
from operators.importing.pickles import read_pickle, remove_all_but_largest_component_from_segmentation
from operators.importing.published import reading, unsupported

KEEP_LARGEST = remove_all_but_largest_component_from_segmentation.__name__
FILE_V1, PICKLE_V2, TABLE_V2 = "postprocessing.json", "postprocessing.pkl", "postprocessing.json"
# Components are connected over faces in version 1 (scipy), also over corners in version 2 (skimage)
FACES, CORNERS = 1, 3
# Longer than a table of sizes for each of 255 labels
LONGEST = 20_000


def largest_of_v1(folder: Path, values: Iterable[int]) -> tuple[Largest, ...]:
    """Reads version 1's rules for the labels `values` of a trainer's folder; () without a file.

    Raises ModelError for a file that cannot be read.
    """
    path = folder / FILE_V1
    if not path.is_file():
        return ()
    with reading(f"{folder.name}/{path.name}"):
        table = json.loads(path.read_text(encoding="utf-8"))
        given = table["for_which_classes"]
        sizes = sizes_of(table.get("min_valid_object_sizes", "None"))
        rules = []
        for one in sorted(values) if given is None else given:
            key = tuple(one) if isinstance(one, list) else one
            kept_mm3 = inf if sizes is None else float(sizes[key])
            rules.append(Largest(flat(key), FACES, kept_mm3))
        return known(rules, values)


def sizes_of(text: str) -> dict[Any, Any] | None:
    """Returns the sizes in mm3 from which further components are kept, by label or labels; else None."""
    if len(text) > LONGEST:
        raise ValueError(f"expected sizes of labels, got {len(text)} characters")
    sizes = ast.literal_eval(text)
    if sizes is not None and not isinstance(sizes, dict):
        raise TypeError(f"expected sizes of labels, got {text}")
    return sizes


def largest_of_v2(folder: Path, folds: Iterable[str], values: Iterable[int]) -> tuple[Largest, ...]:
    """Reads version 2's rules for a trainer's folder, or for some of its folds; () without a file.

    Raises ModelError for an unknown step.
    """
    crossed = folder / f"crossval_results_folds_{'_'.join(fold.removeprefix('fold_') for fold in folds)}"
    for place in (folder, crossed):
        for name, read in ((PICKLE_V2, steps_of_pickle), (TABLE_V2, steps_of_table)):
            path = place / name
            if path.is_file():
                with reading(f"{place.name}/{name}"):
                    return known([rule_of(*step) for step in read(path)], values)
    return ()


def steps_of_pickle(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Returns the names of functions, with their arguments."""
    functions, arguments = read_pickle(path)
    return [(each.__name__, given) for each, given in zip(functions, arguments, strict=True)]


def steps_of_table(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Reads the steps from the readable table that is written beside the pickle."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return list(zip(table["postprocessing_fns"], table["postprocessing_kwargs"], strict=True))


def rule_of(name: str, given: dict[str, Any]) -> Largest:
    """Returns the rule of one step, which treats all of its labels and regions as one. Raises ModelError."""
    strange = {**given, "background_label": given.get("background_label", 0)}
    wanted = strange.pop("labels_or_regions", None)
    if name != KEEP_LARGEST or strange != {"background_label": 0}:
        unsupported(f"expected post-processing by {KEEP_LARGEST}, got {name} {given}")
    return Largest(flat(wanted), CORNERS)


def flat(given: Any) -> tuple[int, ...]:
    """Returns every label in a label, a region, or a list of both."""
    if isinstance(given, (list, tuple)):
        return tuple(sorted({value for each in given for value in flat(each)}))
    return (int(given),)


def known(rules: list[Largest], values: Iterable[int]) -> tuple[Largest, ...]:
    """Returns the rules, if they concern only these labels. Raises ValueError."""
    strange = {value for rule in rules for value in rule.values} - set(values)
    if strange:
        raise ValueError(f"expected labels of {sorted(values)}, got {sorted(strange)}")
    return tuple(rules)
