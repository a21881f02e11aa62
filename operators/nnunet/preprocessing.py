"""From a CT to what a published network reads.

In nnU-Net's order: axes turned, cropped to what is not zero, normalised, resampled (v1: resampled,
normalised). The labels of the stage before go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UnsuitableError
from operators.geometry.orientation import Turn, turn_to
from operators.geometry.volume import CtVolume
from operators.intensities.normalisation import POINTWISE, normalise
from operators.nnunet.channels import Channels
from operators.nnunet.zoom import Read, as_it_is, new_shape, separate_axis, zoomed, zoomed_labels
from operators.packages.packages import NetworkSpec
from operators.packages.plans import NnUNetPlans, Stage

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
Spacing = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class PreprocessedImage:
    """A network's input, and the way back to the source.

    `box` is the part of the turned source that is not empty; spacings are of turned axes.
    """

    channels: Channels
    turn: Turn
    turned_shape: tuple[int, ...]
    box: tuple[slice, ...]
    spacing_mm: Spacing
    network_mm: Spacing

    @property
    def box_shape(self) -> tuple[int, ...]:
        """Voxels of the box."""
        return tuple(side.stop - side.start for side in self.box)


def preprocess(volume: CtVolume, stage: Stage, before: Labels | None = None) -> PreprocessedImage:
    """`volume` as a stage reads it, with the labels (I, J, K) that the stage before gave, if there is one.

    Raises UnsuitableError where it holds zeros only.
    """
    recipe, spec = stage.recipe, stage.spec
    turn = turn_to(volume.grid, recipe.orientation, recipe.transpose)
    turned = turn.apply(volume.hu)
    spacing_mm = turn.reorder(volume.grid.spacing_mm)
    network_mm = spacing_of(spec, spacing_mm)
    box = box_of_content(turned)
    content = turned[box]
    guide = None if before is None else guide_of(turn.apply(before), content, box, recipe)
    if not recipe.normalise_first:
        image = normalised_after(resampled(content, spacing_mm, network_mm, recipe), spec)
    elif spec.normalisation.scheme in POINTWISE:

        def read(plane: NDArray[np.generic]) -> Array:
            return normalise(single(plane), spec)

        image = resampled(content, spacing_mm, network_mm, recipe, read)
    else:
        mask = inside_of(content, guide) if spec.normalisation.masked else None
        image = resampled(normalise(single(content), spec, mask), spacing_mm, network_mm, recipe)
    labels = None if guide is None else guide_at(guide, image.shape, spacing_mm, network_mm, recipe)
    channels = Channels(image, labels, stage.guide_values)
    return PreprocessedImage(channels, turn, turned.shape, box, spacing_mm, network_mm)


def spacing_of(spec: NetworkSpec, spacing_mm: Spacing) -> Spacing:
    """The network's spacing; one of two dimensions leaves the distance of slices as it is."""
    return spec.spacing_mm if spec.dimensions == 3 else (spacing_mm[0], *spec.spacing_mm)


def box_of_content(image: NDArray[np.generic]) -> tuple[slice, ...]:
    """The least box that holds all that is not zero; plane by plane, to hold little beside the image."""
    rows = np.zeros(image.shape[0], np.bool_)
    inside = np.zeros(image.shape[1:], np.bool_)
    for number, plane in enumerate(image):
        filled = plane != 0
        rows[number] = filled.any()
        inside |= filled
    if not rows.any():
        raise UnsuitableError("expected an image, got zeros only", code="anatomy_not_found")
    lines = [np.flatnonzero(line) for line in (rows, inside.any(axis=1), inside.any(axis=0))]
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def inside_of(image: NDArray[np.generic], guide: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
    """Returns where the image is not zero, holes filled, and where the stage before saw something."""
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(image != 0)
    return filled if guide is None else filled | (guide > 0)


def guide_of(
    turned: NDArray[np.generic], image: NDArray[np.generic], box: tuple[slice, ...], recipe: NnUNetPlans
) -> NDArray[np.int16]:
    """Labels of the stage before over the box; -1 outside of the body, a value of its own there."""
    if not recipe.guide_cropped:
        return turned.astype(np.int16)
    guide = turned[box].astype(np.int16)
    guide[(guide == 0) & ~inside_of(image)] = -1
    return guide


def guide_at(
    guide: NDArray[np.int16],
    shape: tuple[int, ...],
    spacing_mm: Spacing,
    wanted_mm: Spacing,
    recipe: NnUNetPlans,
) -> Labels:
    """The labels at the network's voxels."""
    axis = separate_axis(spacing_mm, wanted_mm, recipe.guide)
    labels: Labels = np.maximum(zoomed_labels(guide, shape, axis, recipe.guide), 0).astype(np.uint8)
    return labels


def single(image: NDArray[np.generic]) -> Array:
    """A copy in single precision."""
    return image.astype(np.float32)


def resampled(
    image: NDArray[np.generic],
    spacing_mm: Spacing,
    wanted_mm: Spacing,
    recipe: NnUNetPlans,
    read: Read = as_it_is,
) -> Array:
    """The image, each plane as `read` makes it, at the network's spacing."""
    shape = new_shape(image.shape, spacing_mm, wanted_mm)
    return zoomed(image, shape, separate_axis(spacing_mm, wanted_mm, recipe.image), recipe.image, read)


def normalised_after(image: Array, spec: NetworkSpec) -> Array:
    """A resampled image, in its place; CT in double precision, as numpy has version 1 do it since 2.0."""
    if spec.normalisation.scheme not in POINTWISE:
        return normalise(image, spec)
    for plane in image:
        plane[...] = normalise(plane.astype(np.float64), spec)
    return image


def sigmoid(logits: NDArray[np.floating]) -> Array:
    """Probabilities of outputs that do not exclude each other."""
    exact = logits.astype(np.float32, copy=False)
    probabilities: Array = np.reciprocal(1 + np.exp(-exact), dtype=np.float32)
    return probabilities
