"""Preprocesses a CT for a published network.

In nnU-Net's order: axes turned, cropped to what is not zero, normalised, resampled (v1: resampled,
normalised). The labels of the previous stage go through the same steps.
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
    """A network's input, and what is needed to map its output back to the source.

    `box` is the part of the turned source that is not empty; spacings are those of the turned axes.
    """

    channels: Channels
    turn: Turn
    turned_shape: tuple[int, ...]
    box: tuple[slice, ...]
    spacing_mm: Spacing
    network_mm: Spacing

    @property
    def box_shape(self) -> tuple[int, ...]:
        """The number of voxels of the box along each axis."""
        return tuple(side.stop - side.start for side in self.box)


def preprocess(volume: CtVolume, stage: Stage, before: Labels | None = None) -> PreprocessedImage:
    """Preprocesses `volume` for a stage, with the labels (I, J, K) of the previous stage, if there is one.

    Raises UnsuitableError if the volume holds only zeros.
    """
    recipe, spec = stage.recipe, stage.spec
    turn = turn_to(volume.grid, recipe.orientation, recipe.transpose)
    turned = turn.apply(volume.hu)
    spacing_mm = turn.reorder(volume.grid.spacing_mm)
    # A network of two dimensions keeps the distance of slices
    network_mm = spec.spacing_mm if spec.dimensions == 3 else (spacing_mm[0], *spec.spacing_mm)
    box = box_of_content(turned)
    content = turned[box]
    guide = None if before is None else guide_of(turn.apply(before), content, box, recipe)
    if not recipe.normalise_first:
        image = normalised_after(resampled(content, spacing_mm, network_mm, recipe), spec)
    elif spec.normalisation.scheme in POINTWISE:

        def read(plane: NDArray[np.generic]) -> Array:
            return normalise(plane.astype(np.float32), spec)

        image = resampled(content, spacing_mm, network_mm, recipe, read)
    else:
        mask = inside_of(content, guide) if spec.normalisation.masked else None
        image = resampled(normalise(content.astype(np.float32), spec, mask), spacing_mm, network_mm, recipe)
    labels = None if guide is None else guide_at(guide, image.shape, spacing_mm, network_mm, recipe)
    channels = Channels(image, labels, stage.guide_values)
    return PreprocessedImage(channels, turn, turned.shape, box, spacing_mm, network_mm)


def box_of_content(image: NDArray[np.generic]) -> tuple[slice, ...]:
    """Returns the smallest box that holds all that is not zero, plane by plane, to need little memory."""
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
    """Returns where the image is not zero, holes filled, and where the previous stage found something."""
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(image != 0)
    return filled if guide is None else filled | (guide > 0)


def guide_of(
    turned: NDArray[np.generic], image: NDArray[np.generic], box: tuple[slice, ...], recipe: NnUNetPlans
) -> NDArray[np.int16]:
    """Returns the labels of the previous stage over the box; a separate value, -1, outside the body."""
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
    """Returns the labels at the network's voxels."""
    axis = separate_axis(spacing_mm, wanted_mm, recipe.guide)
    labels: Labels = np.maximum(zoomed_labels(guide, shape, axis, recipe.guide), 0).astype(np.uint8)
    return labels


def resampled(
    image: NDArray[np.generic],
    spacing_mm: Spacing,
    wanted_mm: Spacing,
    recipe: NnUNetPlans,
    read: Read = as_it_is,
) -> Array:
    """Returns the image at the network's spacing, each plane as `read` returns it."""
    shape = new_shape(image.shape, spacing_mm, wanted_mm)
    return zoomed(image, shape, separate_axis(spacing_mm, wanted_mm, recipe.image), recipe.image, read)


def normalised_after(image: Array, spec: NetworkSpec) -> Array:
    """Normalises a resampled image in place; CT in double precision, as version 1 does since numpy 2.0."""
    if spec.normalisation.scheme not in POINTWISE:
        return normalise(image, spec)
    for plane in image:
        plane[...] = normalise(plane.astype(np.float64), spec)
    return image


def sigmoid(logits: NDArray[np.floating]) -> Array:
    """Returns probabilities of outputs that do not exclude each other."""
    exact = logits.astype(np.float32, copy=False)
    probabilities: Array = np.reciprocal(1 + np.exp(-exact), dtype=np.float32)
    return probabilities
