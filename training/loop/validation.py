"""Validation sets of a training: fixed simulated patches, and patches of real bones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from operators.networks.windows.layout import pad_to_patch
from operators.networks.windows.sliding_window import Window, tile, tile_starts
from operators.pipelines.coarse_to_fine import BAND_MM
from training.fracturing import contact_target
from training.loop.row_losses import level_accuracy, run
from training.progress import PREPARE, Tell, silent
from training.recipe import NetworkRecipe, Recipe
from training.recipe_file import NegativesTable, PhantomsTable, SourceTables, ValidationRules
from training.simulate.bone_patches import OUTSIDE_HU, BoneSubject
from training.simulate.patches import Patches, as_tensors
from training.simulate.row_patches import Patch
from training.simulate.simulated_ct import Sample
from training.simulate.sources import Sources
from training.subjects.subjects import LEAST_UNKNOWN

# Far above the seeds of training, which count up from 0
SEED = 987_654_321
CONTACT = 2
NOT_OF_PATCHES = {
    "sides",
    "architecture",
    "filters",
    "steps",
    "learning_rate",
    "scored",
    "batch",
    "class_weights",
    "dice_of_absent",
    "loss",
    "gpu",
}
# What decides which patches are drawn
DRAWN_BY = ("patches", "real", "labelled_cts")
Stored = tuple[NDArray[np.float16], NDArray[np.uint8]]


@dataclass(frozen=True)
class Watched:
    """Sources and cache of a network's validation sets."""

    network: NetworkRecipe
    recipe: Recipe
    data: Path
    cache: Path
    tell: Tell = silent

    def simulated(self, rules: ValidationRules) -> list[Patch]:
        """Returns patches of the training's own simulation, from a seed that training never uses."""
        return self.kept("simulated", rules, lambda: self.drawn(self.network, self.recipe, rules))

    def labelled(self, rules: ValidationRules) -> list[Patch]:
        """Returns patches of the rules' labelled CTs, from a seed that training never uses."""
        sources = self.recipe.sources.model_copy(update={"labelled_cts": rules.labelled_cts})
        only = replace(self.recipe, sources=sources)
        return self.kept("labelled", rules, lambda: self.drawn(self.network, only, rules))

    def real(self, rules: ValidationRules) -> list[Patch]:
        """Returns patches of real bones: single ones with true fragments, and in simulated bodies."""
        sets = replace(self.recipe, sources=real_alone(self.recipe, rules))
        draw = self.read_bones if self.network.kind == "fracture" else self.drawn
        plain = self.network.model_copy(update={"negatives": 0.0, "boneless": 0.0})
        return self.kept("real", rules, lambda: draw(plain, sets, rules)) if rules.real else []

    def drawn(self, network: NetworkRecipe, recipe: Recipe, rules: ValidationRules) -> Iterator[Patch]:
        """Yields the first patches of a stream like the one that training draws from."""
        patches = Patches(network, recipe, self.data, self.cache, SEED, self.tell)
        for number, patch in enumerate(islice(iter(patches), rules.patches), start=1):
            self.tell(PREPARE, number / rules.patches, f"validation patch {number} of {rules.patches}")
            yield patch

    def read_bones(self, network: NetworkRecipe, recipe: Recipe, rules: ValidationRules) -> Iterator[Patch]:
        """Yields patches of the bone sets' bones without simulated fractures, most contact first."""
        bones = Sources(recipe, self.data, self.cache, self.tell).bones()
        tiles = [sample for bone in bones for sample in bone_tiles(bone, network)]
        tiles.sort(key=lambda sample: np.count_nonzero(sample.target == CONTACT), reverse=True)
        return (as_tensors(sample, network.window_hu) for sample in tiles[: rules.patches])

    def kept(self, name: str, rules: ValidationRules, draw: Callable[[], Iterator[Patch]]) -> list[Patch]:
        """Returns the patches of a set from the cache; draws them if sources or network changed."""
        network = self.network.model_dump(exclude=NOT_OF_PATCHES)
        key = json.dumps(
            [name, network, self.recipe.sources.model_dump(), rules.model_dump(include=set(DRAWN_BY))],
            sort_keys=True,
        )
        store = Sources(self.recipe, self.data, self.cache, self.tell)
        stored = store.kept(f"validation {key}", lambda: [packed(patch) for patch in draw()])
        return [unpacked(patch) for patch in stored]


def real_alone(recipe: Recipe, rules: ValidationRules) -> SourceTables:
    """Returns the sources with the rules' bone sets only."""
    sources = recipe.sources
    return sources.model_copy(
        update={
            "bone_sets": rules.real,
            "label_maps": (),
            "phantoms": PhantomsTable(model=sources.phantoms.model),
            "posed_bones": (),
            "negatives": tuple(NegativesTable(absent=row.absent) for row in sources.negatives),
        }
    )


def bone_tiles(bone: BoneSubject, network: NetworkRecipe) -> Iterator[Sample]:
    """Yields tiles of a real bone at the network's spacing, blanked outside as in the pipeline."""
    zoom = bone.spacing_mm / network.spacing_mm
    inside = ndimage.zoom(bone.mask, zoom, order=1, grid_mode=True, mode="nearest") >= 0.5
    fragments = ndimage.zoom(bone.fragments, zoom, order=0, grid_mode=True, mode="nearest")
    hu = ndimage.zoom(np.asarray(bone.hu, np.float32), zoom, order=1, grid_mode=True, mode="nearest")
    target = contact_target(np.where(inside, fragments, 0).astype(np.uint8), network.spacing_mm)
    near = ndimage.distance_transform_edt(target == 0, sampling=network.spacing_mm) <= BAND_MM
    hu, _ = pad_to_patch(np.where(near, hu, np.float32(OUTSIDE_HU)), network.patch)
    target, _ = pad_to_patch(target, network.patch)
    for start in tile_starts(target.shape, network.patch, Window(overlap=0.0)):
        yield Sample(tile(hu, start, network.patch), tile(target, start, network.patch))


def packed(patch: Patch) -> Stored:
    """Packs a patch into a quarter of the memory; intensities 0..1 keep a precision of 1/2048."""
    image, target = patch
    return image.numpy().astype(np.float16), target.numpy().astype(np.uint8)


def unpacked(stored: Stored) -> Patch:
    """Restores a patch from `packed`."""
    image, target = stored
    return torch.from_numpy(image), torch.from_numpy(target)


def dice_of_classes(
    model: nn.Module, patches: list[Patch], device: torch.device, half: bool
) -> NDArray[np.float64]:
    """Returns the Dice (classes - 1,) over all patches together; NaN for a class that none of them holds."""
    counts = sum(counted(model, patch, device, half) for patch in patches)
    common, found, true = np.asarray(counts, np.float64)[:, 1:]
    return np.where(true > 0, 2 * common / np.maximum(found + true, 1), np.nan)


# The scores (classes - 1,) of a network by its kind
SCORES: dict[
    str, Callable[[NetworkRecipe, nn.Module, list[Patch], torch.device, bool], NDArray[np.float64]]
] = {
    "anatomy": lambda _, *given: dice_of_classes(*given),
    "fracture": lambda _, *given: dice_of_classes(*given),
    # Beside the class, its target holds the distance to the border
    "instance": lambda _, model, patches, *given: dice_of_classes(
        model, [(image, target[0]) for image, target in patches], *given
    ),
    "level": lambda network, *given: level_accuracy(network.row.regions, *given),
}


def counted(model: nn.Module, patch: Patch, device: torch.device, half: bool) -> NDArray[np.int64]:
    """Counts true positives, predicted and true voxels (3, classes) where the ground truth is known."""
    image, target = patch[0], patch[1].long()
    logits = run(model, image, device, half)[0]
    said, known = logits.argmax(dim=0).cpu(), target < LEAST_UNKNOWN
    said, target = said[known], target[known]
    sides = (said[said == target], said, target)
    return np.stack([torch.bincount(one, minlength=len(logits)).numpy() for one in sides])
