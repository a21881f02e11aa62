"""Simulates the CT of a patch of a subject: pose, contrast, texture, scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sampling import Array, Pose, patch_coordinates, take
from training.simulate.body import paint, sight
from training.simulate.body.sight import classes_of
from training.simulate.scanner import hide_unseen, implanted, scan
from training.subjects.subjects import Subject

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Sample:
    """A patch: `hu` (I, J, K) float32 and `target` (I, J, K) uint8 classes."""

    hu: Array
    target: NDArray[np.uint8]


@dataclass(frozen=True)
class Added:
    """What is added to a subject's own body.

    `implants` is the chance of metal, `metal` its class (0 leaves its voxels what they were); `limbs` allows
    arms beside the body whose bones are background.
    """

    implants: float = 0.0
    metal: int = 0
    limbs: bool = True


def simulate(
    rng: np.random.Generator,
    subject: Subject,
    centre: NDArray[np.float64],
    shape: tuple[int, ...],
    spacing_mm: float,
    pose: Pose,
    added: Added = Added(),
) -> Sample:
    """Returns one patch of `subject` at `spacing_mm` with random pose, tissues and scanner effects."""
    at = patch_coordinates(rng, centre, shape, spacing_mm, subject.spacing_mm, pose)
    if subject.is_real and subject.hu is not None:
        hu, target = real(rng, subject, subject.hu, at)
    else:
        view = sight(rng, subject, at, spacing_mm, pose)
        hu, target = paint(rng, subject, view, added.limbs), classes_of(view, subject.classes)
    hu, implant = implanted(rng, hu, spacing_mm, added.implants)
    if added.metal and implant is not None:
        target = np.where(implant, np.uint8(added.metal), target)
    return Sample(*hide_unseen(rng, scan(rng, hu, spacing_mm), target, spacing_mm))


def real(
    rng: np.random.Generator, subject: Subject, own_hu: NDArray[np.int16], at: Array
) -> tuple[Array, NDArray[np.uint8]]:
    """Returns a patch of a whole real CT, its bones brightened or darkened, and its classes."""
    hu = take(own_hu, at, 1, AIR_HU)
    gain = np.float32(rng.uniform(0.7, 1.4))
    return np.where(hu > 0, hu * gain, hu), subject.classes[take(subject.structures, at, 0, 0)]


def draw_centre(
    rng: np.random.Generator, subject: Subject, spots: NDArray[np.int32], anywhere: float
) -> NDArray[np.float64]:
    """Draws a source index: mostly near one of `spots` (N, 3), at times anywhere."""
    centre: NDArray[np.float64]
    if len(spots) == 0 or rng.random() < anywhere:
        centre = rng.uniform(0, 1, 3) * np.array(subject.structures.shape)
    else:
        jitter_mm = rng.normal(0, 25, 3)
        centre = spots[rng.integers(len(spots))] + jitter_mm / subject.spacing_mm
    return centre


def centre_spots(
    rng: np.random.Generator, subject: Subject, per_class: int = 400
) -> dict[int, NDArray[np.int32]]:
    """Returns voxels (N, 3) to centre patches on for each class, equally many of every class."""
    found = {}
    targets = subject.targets
    for value in np.unique(subject.classes):
        if value == 0:
            continue
        voxels = np.argwhere(targets == value)
        if len(voxels):
            found[int(value)] = voxels[rng.integers(len(voxels), size=per_class)].astype(np.int32)
    return found
