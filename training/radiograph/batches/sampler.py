"""Samples batches of crops and of whole images by step number, so that a resumed training gets the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from operators.radiographs.canvas import canvas_zoom
from training.radiograph.batches.exposure import covered, expose, hide
from training.radiograph.batches.simulated_fracture import simulate_fracture
from training.radiograph.batches.views import Orientation, View, sample
from training.radiograph.datasets.radiograph import Radiograph

# Shares of the full range of grey values: lower limits of soft tissue, of bone, and of the detector's
# bright border
TISSUE = 0.05
BONE = 0.03
WHITE = 0.95
SURROUNDINGS_PIXELS = 41
BORDER_PIXELS = 16
# The canvas of whole images, rows and columns, upright
CANVAS = (448, 384)
POINTS = 400
# A crop with fewer fracture pixels than this has an unknown label
FEWEST_PIXELS = 40


@dataclass(frozen=True, eq=False)
class Batch:
    """N images as the network sees them, and their targets.

    `seen` and `whole` (N, 1, H, W): grey values with and without masked squares; `hidden` (N, 1, H, W): 1
    in masked squares; `maps` (N, 2, H, W): real and simulated fracture; `labels` (N, 2): the same for each
    image, NaN if unknown; `attributes` (N, A), NaN if unknown.
    """

    seen: Tensor
    whole: Tensor
    hidden: Tensor
    maps: Tensor
    labels: Tensor
    attributes: Tensor

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        return Batch(*(getattr(self, one.name).to(device) for one in fields(self)))


@dataclass(frozen=True, eq=False)
class Source:
    """An image prepared for sampling: (3, rows, columns) of grey values, fractures and bone.

    `bone` and `fracture` are x, y of POINTS random points each, none if the mask is empty.
    """

    planes: NDArray[np.uint8]
    bone: NDArray[np.int16]
    fracture: NDArray[np.int16]
    fractured: bool
    attributes: tuple[float, ...]


@dataclass(frozen=True)
class Draws:
    """The composition of a batch: numbers of views around fractures, with simulated fractures, of any bones.

    `size` is rows and columns; `whole` views show the whole image. `hidden` is the range of the share of
    masked squares. `augmentation` scales rotation, zoom, mirroring and exposure; 0 is none.
    """

    fractures: int
    simulated: int
    others: int
    size: tuple[int, int] = (224, 224)
    whole: bool = False
    hidden: tuple[float, float] = (0.0, 0.1)
    augmentation: float = 1.0


def source_of(image: Radiograph, rng: Generator) -> Source:
    """Returns an image with points on its bones and fractures."""
    mask = image.mask()
    bone = bone_mask(image.pixels)
    return Source(
        planes=np.stack([image.pixels, mask * np.uint8(255), bone * np.uint8(255)]),
        bone=points_of(bone & ~mask, rng),
        fracture=points_of(mask, rng),
        fractured=image.fractured,
        attributes=image.attributes,
    )


def bone_mask(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns the pixels brighter than the tissue around them, but for border and white areas."""
    image = ndimage.uniform_filter((pixels / 255).astype(np.float32), 3)
    tissue = (image > air_level(image) + TISSUE) & (image < WHITE)
    around = ndimage.uniform_filter(image * tissue, SURROUNDINGS_PIXELS)
    share = ndimage.uniform_filter(tissue.astype(np.float32), SURROUNDINGS_PIXELS)
    bone = tissue & (image > around / np.maximum(share, 0.05) + BONE)
    inside = np.zeros_like(bone)
    inside[BORDER_PIXELS:-BORDER_PIXELS, BORDER_PIXELS:-BORDER_PIXELS] = True
    white = ndimage.binary_dilation(image >= WHITE, iterations=4)
    return ndimage.binary_opening(bone & inside & ~white)


def air_level(image: NDArray[np.float32]) -> float:
    """Returns the most frequent grey value of the darker half of the range."""
    counts, edges = np.histogram(image, 32, (0, 0.5))
    return float(edges[counts.argmax() + 1])


def points_of(mask: NDArray[np.bool_], rng: Generator) -> NDArray[np.int16]:
    """Random points (x, y) of a mask."""
    rows, columns = np.nonzero(mask)
    chosen = rng.integers(0, len(rows), POINTS) if len(rows) else np.zeros(0, int)
    return np.stack([columns[chosen], rows[chosen]], -1).astype(np.int16)


class Sampler:
    """Samples batches from training images; the same seed and step give the same batch.

    Fractured images without outlines are never sampled, as their fractured pixels are unknown.
    """

    def __init__(self, sources: Sequence[Source], seed: int) -> None:
        self.seed = seed
        self.outlined = [one for one in sources if len(one.fracture)]
        self.whole = [one for one in sources if not one.fractured and len(one.bone)]
        self.all = [one for one in sources if len(one.bone) and (len(one.fracture) or not one.fractured)]

    def batch(self, draws: Draws, step: int) -> Batch:
        """Returns the batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        shown = [self.around_fracture(draws, rng) for _ in range(draws.fractures)]
        shown += [self.with_simulated(draws, rng) for _ in range(draws.simulated)]
        shown += [self.of_any(draws, rng) for _ in range(draws.others)]
        images, maps, labels, attributes = (torch.stack(part) for part in zip(*shown, strict=True))
        whole = expose(images, rng, draws.augmentation)
        hidden = hide(whole.shape, draws.hidden, rng)
        return Batch(covered(whole, hidden, rng), whole, hidden, maps, labels, attributes)

    def around_fracture(self, draws: Draws, rng: Generator) -> tuple[Tensor, ...]:
        """Returns a view that contains part of a fracture."""
        source = pick(self.outlined, rng)
        view = view_of(source, source.fracture, draws, rng)
        return described(source, sample(source.planes, view.points()), view)

    def of_any(self, draws: Draws, rng: Generator) -> tuple[Tensor, ...]:
        """Returns a view of bones: four in five from images without a fracture."""
        source = pick(self.whole if rng.random() < 0.8 or draws.whole else self.all, rng)
        view = view_of(source, source.bone, draws, rng)
        return described(source, sample(source.planes, view.points()), view)

    def with_simulated(self, draws: Draws, rng: Generator) -> tuple[Tensor, ...]:
        """Returns a view of an image without a fracture, with a simulated one."""
        source = pick(self.whole, rng)
        view = view_of(source, source.bone, draws, rng)
        planes = sample(source.planes, view.points())
        bone = planes[2].numpy() > 0.5
        places = np.argwhere(inner(bone))
        if not len(places):
            return described(source, planes, view)
        row, column = places[rng.integers(len(places))]
        drawn = simulate_fracture(planes[0].numpy(), bone, (float(column), float(row)), rng)
        moved = sample(source.planes, view.points(drawn.moved))
        moved[0] += torch.from_numpy(drawn.added)
        return described(source, moved, view, torch.from_numpy(drawn.mask).float())


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns a mask without the window's border, reduced to a coarse lattice."""
    lattice = np.zeros_like(mask)
    lattice[24:-24:3, 24:-24:3] = mask[24:-24:3, 24:-24:3]
    return lattice


def pick(sources: list[Source], rng: Generator) -> Source:
    """Picks a random source."""
    return sources[int(rng.integers(len(sources)))]


def view_of(source: Source, points: NDArray[np.int16], draws: Draws, rng: Generator) -> View:
    """Returns a random view: of the whole image, or of a window that shows one of the points."""
    if draws.whole:
        return whole_view(source, draws, rng)
    spread = draws.augmentation
    zoom = float(np.exp(rng.normal(0.1, 0.25) * spread))
    stretch = float(np.exp(rng.normal(0, 0.06) * spread))
    x, y = points[rng.integers(len(points))]
    away = rng.uniform(-0.35, 0.35, 2) * draws.size[::-1] / zoom
    rows, columns = source.planes.shape[1:]
    return View(
        (inside(x + away[0], columns, draws.size[1] / zoom), inside(y + away[1], rows, draws.size[0] / zoom)),
        draws.size,
        rng.uniform(-np.pi, np.pi) * spread,
        (zoom * stretch, zoom / stretch),
        bool(rng.random() < 0.5 * spread),
    )


def inside(centre: float, length: int, shown: float) -> float:
    """Returns the centre, shifted so that most of a window of `shown` pixels lies in the image."""
    margin = min(0.35 * shown, length / 2)
    return float(np.clip(centre, margin, length - margin))


def whole_view(source: Source, draws: Draws, rng: Generator) -> View:
    """Returns the image on a canvas, slightly rotated, scaled, shifted, upright or not, mirrored or not."""
    rows, columns = source.planes.shape[1:]
    spread = draws.augmentation
    zoom = canvas_zoom((rows, columns), draws.size) * float(np.exp(rng.normal(0.02, 0.12) * spread))
    upside_down, mirrored = rng.random(2) < 0.5 * spread
    angle = float(rng.normal(0, 0.15)) * spread + np.pi * upside_down + np.pi / 2 * (columns > rows)
    away = rng.normal(0, 0.04, 2) * (columns, rows) * spread
    centre = (float(columns / 2 + away[0]), float(rows / 2 + away[1]))
    shown = Orientation(float(upside_down), float(mirrored))
    return View(centre, draws.size, angle, (zoom, zoom), bool(mirrored), shown)


def described(source: Source, planes: Tensor, view: View, drawn: Tensor | None = None) -> tuple[Tensor, ...]:
    """Returns a view's grey values (1, H, W), maps (2, H, W), labels (2,), attributes (A,)."""
    fracture = (planes[1] > 0.5).float()
    maps = torch.stack([fracture, torch.zeros_like(fracture) if drawn is None else drawn])
    labels = torch.tensor([label(float(fracture.sum())), 0.0 if drawn is None else 1.0])
    if drawn is not None or (source.fractured and not len(source.fracture)):
        labels[0] = torch.nan
    return planes[:1], maps, labels, torch.tensor([*source.attributes, *view.shown])


def label(pixels: float) -> float:
    """1 if a view shows FEWEST_PIXELS of a fracture, 0 if none, NaN between."""
    if pixels >= FEWEST_PIXELS:
        return 1.0
    return 0.0 if pixels == 0 else float("nan")
