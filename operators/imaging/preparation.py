"""From a CT to what a published network reads, and from its answer back to the CT's voxels.

In nnU-Net's order: axes turned, cropped to what is not zero, normalised, resampled (v1: resampled,
normalised). The labels of the stage before go the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UnsuitableError
from operators.imaging.channels import Channels
from operators.imaging.normalisation import normalise
from operators.imaging.orientation import Turn, turn_to
from operators.imaging.packages import NetworkSpec
from operators.imaging.recipes import Recipe, Stage
from operators.imaging.volume import Volume
from operators.imaging.zoom import new_shape, separate_axis, zoomed, zoomed_labels

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
Logits = NDArray[np.float16] | NDArray[np.float32]
Spacing = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network reads, and the way back.

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


def prepare(volume: Volume, stage: Stage, before: Labels | None = None) -> Prepared:
    """`volume` as a stage reads it, with the labels (I, J, K) that the stage before gave, if there is one.

    Raises UnsuitableError where it holds zeros only.
    """
    recipe, spec = stage.recipe, stage.spec
    turn = turn_to(volume.grid, recipe.orientation, recipe.transpose)
    turned = turn.apply(volume.hu)
    spacing_mm = turn.reorder(volume.grid.spacing_mm)
    network_mm = spacing_of(spec, spacing_mm)
    box = box_of_content(turned)
    image = turned[box].astype(np.float32)
    guide = None if before is None else guide_of(turn.apply(before), image, box, recipe)
    mask = inside_of(image, guide) if spec.normalisation.masked else None
    if recipe.normalise_first:
        image = resampled(normalise(image, spec, mask), spacing_mm, network_mm, recipe)
    else:
        image = normalise(resampled(image, spacing_mm, network_mm, recipe), spec)
    labels = None if guide is None else guide_at(guide, image.shape, spacing_mm, network_mm, recipe)
    channels = Channels(image, labels, stage.guide_values)
    return Prepared(channels, turn, turned.shape, box, spacing_mm, network_mm)


def spacing_of(spec: NetworkSpec, spacing_mm: Spacing) -> Spacing:
    """The network's spacing; one of two dimensions leaves the distance of slices as it is."""
    return spec.spacing_mm if spec.dimensions == 3 else (spacing_mm[0], *spec.spacing_mm)


def box_of_content(image: NDArray[np.generic]) -> tuple[slice, ...]:
    """The least box that holds all that is not zero."""
    boxes = ndimage.find_objects((image != 0).astype(np.uint8))
    if not boxes:
        raise UnsuitableError("expected an image, got zeros only", code="anatomy_not_found")
    box: tuple[slice, ...] = boxes[0]
    return box


def inside_of(image: Array, guide: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
    """What is not zero, holes filled, and what the stage before saw."""
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(image != 0)
    return filled if guide is None else filled | (guide > 0)


def guide_of(
    turned: NDArray[np.generic], image: Array, box: tuple[slice, ...], recipe: Recipe
) -> NDArray[np.int16]:
    """Labels of the stage before over the box; -1 outside of the body, a value of its own there."""
    if not recipe.guide_cropped:
        return turned.astype(np.int16)
    guide = turned[box].astype(np.int16)
    guide[(guide == 0) & ~inside_of(image)] = -1
    return guide


def guide_at(
    guide: NDArray[np.int16], shape: tuple[int, ...], spacing_mm: Spacing, wanted_mm: Spacing, recipe: Recipe
) -> Labels:
    """The labels at the network's voxels."""
    axis = separate_axis(spacing_mm, wanted_mm, recipe.guide)
    labels: Labels = np.maximum(zoomed_labels(guide, shape, axis, recipe.guide), 0).astype(np.uint8)
    return labels


def resampled(image: Array, spacing_mm: Spacing, wanted_mm: Spacing, recipe: Recipe) -> Array:
    """The image at the network's spacing."""
    shape = new_shape(image.shape, spacing_mm, wanted_mm)
    axis = separate_axis(spacing_mm, wanted_mm, recipe.image)
    return zoomed(image, shape, axis, recipe.image).astype(np.float32)


def labels_of(answer: Logits, prepared: Prepared, recipe: Recipe) -> Labels:
    """The label map (I, J, K) of the source's own voxels, from what the network says of its own.

    One class at a time, so that no more than one is held at the source's size.
    """
    inside = (regions if recipe.regions else winners)(answer, prepared, recipe)
    turned = np.zeros(prepared.turned_shape, np.uint8)
    turned[prepared.box] = inside
    labels: Labels = np.ascontiguousarray(prepared.turn.undo(turned))
    return labels


def delivered(labels: Labels, values: Sequence[int]) -> Labels:
    """Only these values; the others become background."""
    kept = np.zeros(256, np.uint8)
    kept[list(values)] = values
    return kept[labels]


def exported(channel: NDArray[np.floating], prepared: Prepared, recipe: Recipe) -> NDArray[np.floating]:
    """One output at the source's voxels, in the answer's own precision, as nnU-Net keeps it."""
    axis = separate_axis(prepared.network_mm, prepared.spacing_mm, recipe.output)
    return zoomed(channel, prepared.box_shape, axis, recipe.output).astype(channel.dtype)


def winners(answer: Logits, prepared: Prepared, recipe: Recipe) -> NDArray[np.uint8]:
    """The class with the highest value; the first of those that share it."""
    best = exported(answer[0], prepared, recipe)
    labels = np.zeros(best.shape, np.uint8)
    for value, channel in enumerate(answer[1:], start=1):
        here = exported(channel, prepared, recipe)
        better = here > best
        labels[better], best[better] = value, here[better]
    return labels


def regions(answer: Logits, prepared: Prepared, recipe: Recipe) -> NDArray[np.uint8]:
    """Each output's value where its probability is above a half, later ones over earlier ones."""
    labels = np.zeros(prepared.box_shape, np.uint8)
    for value, channel in zip(recipe.regions, answer, strict=True):
        labels[sigmoid(exported(channel, prepared, recipe)) > 0.5] = value
    return labels


def sigmoid(logits: NDArray[np.floating]) -> Array:
    """Probabilities of outputs that do not exclude each other."""
    exact = logits.astype(np.float32, copy=False)
    probabilities: Array = np.reciprocal(1 + np.exp(-exact), dtype=np.float32)
    return probabilities
