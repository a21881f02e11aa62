"""Loads a recipe's subjects, with a cache on disk, since loading takes minutes."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from operators.errors import UnwritableError, UsageError, reason
from training.phantoms import PHANTOMS, Phantom
from training.progress import PREPARE, Tell, kind_of, silent
from training.recipe import NetworkRecipe, Recipe
from training.recipe_file import BoneSetTable, PosedBonesTable
from training.row_tables import LabelMapTable
from training.simulate.bone_patches import BoneSubject
from training.simulate.shape_variation import bones_between
from training.simulate.single_bones import BONE_SPACING_MM, label_map_bones, real_bone, scanned_phantom
from training.subjects.bone_sets import bone_set_subject
from training.subjects.labelled_cts import cases_of, files_of, labelled_subject
from training.subjects.posed_bones import posed_subject
from training.subjects.rows.deformed import deformed_row_subject
from training.subjects.subjects import (
    NOT_OURS,
    Subject,
    from_structures,
    label_map_body,
    label_map_subject,
    negative_subject,
    signed_distance,
)
from training.subjects.surroundings import Body

Loaded = TypeVar("Loaded")
BODY_SPACING_MM = 1.5
NEGATIVE_SPACING_MM = 3.0
FORMER_MODEL = next(iter(PHANTOMS))
# Version of the cache's content: to be raised whenever the fields of a subject change
FORMAT = 3


@dataclass(frozen=True)
class Sources:
    """The recipe's data folder, and the cache of loaded subjects."""

    recipe: Recipe
    data: Path
    cache: Path
    tell: Tell = silent

    def anatomy(self, network: NetworkRecipe) -> list[Subject]:
        """Returns the subjects that an anatomy network learns from."""
        return [one for kind in LEARNT for one in SUBJECTS[kind](self, network)]

    def label_maps(self, network: NetworkRecipe) -> list[Subject]:
        """Loads whole-body label maps."""
        classes = self.recipe.class_patterns(network)
        return [
            self.kept(f"map {row} {classes}", partial(label_map_subject, self.data, row, classes))
            for row in self.recipe.sources.label_maps
        ]

    def bone_sets(self, network: NetworkRecipe) -> list[Subject]:
        """Loads bones masked out of CTs, in a body and alone; a socket without its ball stays empty."""
        classes = self.recipe.class_patterns(network)
        found = []
        for row in self.recipe.sources.bone_sets:
            for around in (row.around, None) if row.around else (None,):
                shown = row.model_copy(update={"around": around})
                found.append(self.kept(f"set {shown} {classes}", partial(self.bone_set, shown, classes)))
        return found

    def bone_set(self, row: BoneSetTable, classes: dict[str, list[str]]) -> Subject:
        """Loads the bones of one patient, in the body of a label map if the row names one."""
        folder, donor = self.data / row.folder, self.body(row.around)
        made = bone_set_subject(folder, row.bones, classes, BODY_SPACING_MM, donor)
        return replace(made, name=f"{folder.name} in a body" if donor else folder.name)

    def body(self, row: LabelMapTable | None) -> Body | None:
        """Loads the label map whose body surrounds bones, if there is one."""
        return label_map_body(self.data, row) if row else None

    def phantoms(self, network: NetworkRecipe) -> list[Subject]:
        """Draws procedural bodies, each from its own seed."""
        classes = self.recipe.class_patterns(network)
        count, model = self.recipe.sources.phantoms.count, phantom_of(self.recipe)
        return [
            self.kept(
                f"phantom {seed} {classes}", partial(phantom_subject, model, seed, classes, BODY_SPACING_MM)
            )
            for seed in range(1000, 1000 + count)
        ]

    def negatives(self, network: NetworkRecipe | None = None) -> list[Subject]:
        """Loads real CTs without the anatomy."""
        del network
        return [
            self.kept(
                f"negative {path} {group} {row.unknown_mm}",
                partial(negative_subject, self.data / path, NEGATIVE_SPACING_MM, group, row.unknown_mm),
            )
            for group, row in enumerate(self.recipe.sources.negatives)
            for path in row.paths
        ]

    def posed_bones(self, network: NetworkRecipe) -> list[Subject]:
        """Draws bodies whose bones are surfaces, each from its own seed."""
        classes = self.recipe.class_patterns(network)
        return [
            self.kept(
                f"posed {row.model_copy(update={'count': 0})} {seed} {classes}",
                partial(self.posed_body, row, seed, classes),
            )
            for row in self.recipe.sources.posed_bones
            for seed in range(3000, 3000 + row.count)
        ]

    def rows(self, network: NetworkRecipe) -> list[Subject]:
        """Returns bodies with a bent row of bones, whose classes are the recipe's, one for each level."""
        del network
        classes = {name: list(patterns) for name, patterns in self.recipe.sources.classes.items()}
        return [
            self.kept(
                f"row {row.model_copy(update={'count': 0})} {number} {classes}",
                partial(deformed_row_subject, self.data, row, classes, number),
            )
            for row in self.recipe.sources.deformed_rows
            for number in range(row.count)
        ]

    def labelled_cts(self, network: NetworkRecipe) -> list[Subject]:
        """Loads real CTs with labels of their own."""
        classes = self.recipe.class_patterns(network)
        unknown = NOT_OURS - len(self.recipe.sources.negatives)
        found = []
        for row in self.recipe.sources.labelled_cts:
            for case in cases_of(self.data, row):
                files = files_of(self.data, row, case)
                known = [
                    (path.stat().st_size, path.stat().st_mtime_ns) for path in (files.image, files.labels)
                ]
                shown = (row.folder, row.names, row.ignore, case, known, classes, network.spacing_mm, unknown)
                load = partial(labelled_subject, files, row, classes, network.spacing_mm, unknown)
                found.append(self.kept(f"labelled {shown}", load))
        return found

    def posed_body(self, row: PosedBonesTable, seed: int, classes: dict[str, list[str]]) -> Subject:
        """Draws one body whose bones are surfaces."""
        return posed_subject(row, self.data, seed, classes, self.body(row.around))

    def bones(self) -> list[BoneSubject]:
        """Returns single bones for the fracture network: real ones with texture, others without."""
        tables = self.recipe.sources
        kinds: dict[str, list[BoneSubject]] = {}
        for row in tables.bone_sets:
            for suffix, kind in row.bones.items():
                load = partial(real_bone, self.data / row.folder, suffix)
                bone = self.kept(f"bone {BONE_SPACING_MM} {row} {suffix}", load)
                kinds.setdefault(kind, []).append(bone)
        patterns, each = tables.fracture_bones.patterns, tables.fracture_bones.between
        rows = (LabelMapTable(path=row.path, names=row.names) for row in tables.deformed_rows)
        for table in (*tables.label_maps, *rows):
            found = self.kept(
                f"bones {table} {patterns}", partial(label_map_bones, self.data, table, patterns)
            )
            for bone in found:
                kinds.setdefault(bone.name.removeprefix(f"{table.path} "), []).append(bone)
        names = [bone.name for bones in kinds.values() for bone in bones]
        mixed = self.kept(f"between {each} {BONE_SPACING_MM} {names}", partial(bones_between, kinds, each))
        return [*(bone for bones in kinds.values() for bone in bones), *mixed]

    def phantom_bones(self) -> list[BoneSubject]:
        """Returns the bones of procedural CTs with their texture, those of every second CT intact."""
        seeds = range(2000, 2000 + self.recipe.sources.phantoms.scanned)
        model = phantom_of(self.recipe)
        loaded = (
            self.kept(f"bones {BONE_SPACING_MM} {seed}", partial(scanned_phantom, model, seed))
            for seed in seeds
        )
        return [bone for bones in loaded for bone in bones]

    def kept(self, key: str, load: Callable[[], Loaded]) -> Loaded:
        """Returns the result of `load`, cached on disk; the cache holds only files that Osteon wrote."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = self.cache / (hashlib.sha256(f"{FORMAT} {key}".encode()).hexdigest()[:24] + ".pickle")
        if path.exists():
            kept: Loaded = pickle.loads(path.read_bytes())  # noqa: S301 (only files written below)
            self.tell(PREPARE, None, f"{kind_of(key)} from the cache")
            return kept
        self.tell(PREPARE, None, kind_of(key))
        loaded = load()
        # Parallel workers and trainings share one cache
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(pickle.dumps(loaded))
            part.rename(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UnwritableError(
                f"expected a writable folder for {kind_of(key)} in the cache, got: {reason(error)}"
            ) from error
        return loaded


# The kinds of subjects whose bones an anatomy network learns; all are drawn equally often
LEARNT = ("label_map", "bone_set", "posed_bones", "labelled_ct")
# Sources of training images: a row for each kind that a recipe may have
SUBJECTS: dict[str, Callable[[Sources, NetworkRecipe], list[Subject]]] = {
    "label_map": Sources.label_maps,
    "bone_set": Sources.bone_sets,
    "phantom": Sources.phantoms,
    "posed_bones": Sources.posed_bones,
    "labelled_ct": Sources.labelled_cts,
    "ct_negative": Sources.negatives,
    "deformed_row": Sources.rows,
}


def phantom_of(recipe: Recipe) -> Phantom:
    """Returns a recipe's phantom, FORMER_MODEL if it names none. Raises UsageError if it is unknown."""
    name = recipe.sources.phantoms.model or FORMER_MODEL
    if name not in PHANTOMS:
        raise UsageError(f"phantoms.model: expected one of {list(PHANTOMS)} in training.toml, got {name!r}")
    return PHANTOMS[name]


def phantom_subject(model: Phantom, seed: int, classes: dict[str, list[str]], spacing_mm: float) -> Subject:
    """Draws a procedural body as a subject."""
    labels = model.labels(np.random.default_rng(seed), spacing_mm).labels
    names = dict(model.structures)
    plain = from_structures(f"phantom {seed}", labels.astype(np.uint8), names, classes, spacing_mm, 12)
    return replace(plain, skin=signed_distance(labels > 0, spacing_mm))
