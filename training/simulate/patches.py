"""An endless stream of simulated patches for one network, drawn in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.fracturing import FractureRules
from training.progress import Tell, silent
from training.recipe import SIDES, NetworkRecipe, Recipe
from training.sampling import Array, Pose
from training.simulate.bone_patches import BONE_POSE, BoneSubject, bone_patch, by_kind
from training.simulate.conditioning import ConditioningRules, draw_conditioning
from training.simulate.row_patches import InstanceDraw, LevelDraw, Patch, RowDraw, scaled
from training.simulate.simulated_ct import Added, Sample, centre_spots, draw_centre, simulate
from training.simulate.sources import Sources
from training.subjects.subjects import Subject, class_of


class Patches(IterableDataset[Patch]):
    """Endless patches (1 + conditioning channels, I, J, K) float32 in 0..1 and targets (I, J, K) int64."""

    def __init__(
        self, network: NetworkRecipe, recipe: Recipe, data: Path, cache: Path, seed: int, tell: Tell = silent
    ) -> None:
        self.network = network
        self.sources = Sources(recipe, data, cache, tell)
        self.seed = seed

    def __iter__(self) -> Iterator[Patch]:
        worker = get_worker_info()
        if worker:
            torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        stream = DRAWS[self.network.kind](self.network, self.sources, rng)
        while True:
            yield stream.patch()


# There are few scans without the anatomy: wide rotation and scaling make up for that
ANY_POSE = Pose(rotation_deg=40, scale=0.3, bend_mm=12, step_mm=2)
# A joint's cartilage is 1 to 2 mm thick on either side; the outlines of label maps from different sources
# differ by about half a voxel of 1 mm
BODY_POSE = Pose(ripple_mm=1.5, joint_mm=2.0, swell_mm=0.4, step_mm=2)
# Real anatomy needs no joints opened and no outlines swollen
LABELLED_POSE = Pose(rotation_deg=15, scale=0.15, bend_mm=4, step_mm=2)

# The structure that implants are, if a recipe lists it among its classes
METAL = "metal"


# A subject, and voxels (N, 3) of it
Place = tuple[Subject, NDArray[np.int32]]
NOWHERE = np.zeros((0, 3), np.int32)


class ClassDraw:
    """Draws patches whose voxels have classes."""

    network: NetworkRecipe
    rng: np.random.Generator
    swaps: np.ndarray | None

    def draw(self) -> Sample:
        """Draws one patch."""
        raise NotImplementedError

    def patch(self) -> Patch:
        """Returns what the network reads of a patch, and its target."""
        sample = mirrored(self.rng, self.draw(), self.swaps)
        return as_tensors(sample, self.network.window_hu, self.conditioning(sample))

    def conditioning(self, sample: Sample) -> Array | None:
        """Draws the conditioning channels that the network reads; None if it reads none."""
        classes = self.network.classes
        if not self.network.guide:
            return None
        drawn = draw_conditioning(
            self.rng, sample.target, len(classes), self.network.spacing_mm, ConditioningRules()
        )
        return drawn[[classes.index(name) - 1 for name in self.network.guide]]


class AnatomyDraw(ClassDraw):
    """Draws patches of bodies."""

    def __init__(self, network: NetworkRecipe, sources: Sources, rng: np.random.Generator) -> None:
        self.network, self.rng = network, rng
        self.subjects: list[Subject] = sources.anatomy(network)
        self.negatives = sources.negatives()
        self.phantoms = sources.phantoms(network)
        self.phantom_share = sources.recipe.sources.phantoms.share
        self.spots = {
            other.name: np.concatenate([NOWHERE, *centre_spots(rng, other).values()])
            for other in (*self.phantoms, *self.negatives)
        }
        self.places = places_by_class(rng, self.subjects)
        self.swaps = side_swaps(network.classes) if has_both_sides(network.classes) else None
        metal = class_of(METAL, sources.recipe.class_patterns(network))
        self.added = Added(network.implants, metal, network.limbs)

    def draw(self) -> Sample:
        """Draws one patch."""
        subject, spots = self.place()
        centre = draw_centre(self.rng, subject, spots, self.network.anywhere)
        if self.rng.random() < self.network.boneless:
            subject = replace(subject, boneless=True)
        pose, network = pose_of(subject), self.network
        return simulate(self.rng, subject, centre, network.patch, network.spacing_mm, pose, self.added)

    def place(self) -> Place:
        """Picks a subject and the voxels of it on which a patch may be centred."""
        chance = self.rng.random()
        if chance < self.network.negatives or chance > 1 - self.phantom_share:
            pool = self.negatives if chance < self.network.negatives else self.phantoms
            subject = pool[int(self.rng.integers(len(pool)))]
            return subject, self.spots[subject.name]
        # Every class is as often in the centre, however few subjects show it
        classes = sorted(self.places)
        places = self.places[classes[int(self.rng.integers(len(classes)))]]
        return places[int(self.rng.integers(len(places)))]


def pose_of(subject: Subject) -> Pose:
    """Returns the ranges of pose for patches of a subject."""
    if subject.labelled:
        return LABELLED_POSE
    return ANY_POSE if subject.negative else BODY_POSE


def places_by_class(rng: np.random.Generator, subjects: Sequence[Subject]) -> dict[int, list[Place]]:
    """Returns the subjects that show each class, with voxels of it; 0 for subjects that show none."""
    places: dict[int, list[Place]] = {}
    for subject in subjects:
        for value, spots in (centre_spots(rng, subject) or {0: NOWHERE}).items():
            places.setdefault(value, []).append((subject, spots))
    return places


class BoneDraw(ClassDraw):
    """Draws patches of single bones with fractures."""

    swaps = np.arange(256)

    def __init__(self, network: NetworkRecipe, sources: Sources, rng: np.random.Generator) -> None:
        self.network, self.rng = network, rng
        self.bones: list[BoneSubject] = sources.bones()
        phantoms = sources.phantom_bones() if network.phantom_bones else []
        self.pools = (*by_kind(self.bones), phantoms)
        broken, procedural = network.fractured_bones, network.phantom_bones
        other = (1 - broken - procedural) / 2
        self.shares = (broken, other, other, procedural)

    def draw(self) -> Sample:
        """Draws a patch: of a truly fractured bone, another real one, a label map's shape, or a phantom's."""
        pool = self.pools[self.rng.choice(len(self.pools), p=self.shares)] or self.bones
        bone = pool[self.rng.integers(len(pool))]
        return bone_patch(
            self.rng, bone, self.network.patch, self.network.spacing_mm, BONE_POSE, FractureRules()
        )


# What a network is trained on, by its kind
DRAWS: dict[str, Callable[[NetworkRecipe, Sources, np.random.Generator], ClassDraw | RowDraw]] = {
    "anatomy": AnatomyDraw,
    "fracture": BoneDraw,
    "instance": InstanceDraw,
    "level": LevelDraw,
}


def side_swaps(classes: tuple[str, ...]) -> np.ndarray:
    """Returns the class of each class's mirror image; other values stay. Raises ValueError without a pair."""
    table = np.arange(256)
    for number, name in enumerate(classes):
        mirror = name.replace("_left", "_R").replace("_right", "_left").replace("_R", "_right")
        table[number] = classes.index(mirror)
    return table


def has_both_sides(classes: tuple[str, ...]) -> bool:
    """Returns whether the mirror image of every class is a class."""
    sides = [{name.removesuffix(side) for name in classes if name.endswith(side)} for side in SIDES]
    return sides[0] == sides[1]


def mirrored(rng: np.random.Generator, sample: Sample, swaps: np.ndarray | None) -> Sample:
    """Mirrors half of the patches left to right, swapping the sides of classes; none without `swaps`."""
    if swaps is None or rng.random() < 0.5:
        return sample
    return Sample(sample.hu[::-1], swaps[sample.target[::-1]].astype(np.uint8))


def as_tensors(sample: Sample, window_hu: tuple[float, float], conditioning: Array | None = None) -> Patch:
    """Returns the network's input and target."""
    own = scaled(sample.hu, window_hu)[None]
    image = own.copy() if conditioning is None else np.concatenate([own, conditioning])
    return torch.from_numpy(image), torch.from_numpy(sample.target.astype(np.int64))


def loader(patches: Patches, workers: int, batch: int = 1) -> DataLoader[Patch]:
    """Loads batches, prefetched in `workers` processes."""
    prefetched = 4 if workers else None
    return DataLoader(patches, batch_size=batch, num_workers=workers, prefetch_factor=prefetched)
