"""What a network says of whole images: a map of fracture probability and a logit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from training.radiograph.dataset import Mask, Pixels
from training.radiograph.network import FRACTURE, Output
from training.radiograph.sampling import CANVAS, canvas_zoom

Floats = NDArray[np.float32]
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
# Components of fewer pixels are no fractures
FEWEST_PIXELS = 12


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of one image: the fracture probability of each pixel (rows, columns), and the image's log-odds."""

    probabilities: Floats
    logit: float


@dataclass(frozen=True)
class Decoding:
    """How a map becomes fractures: connected pixels above a threshold and above a share of their largest."""

    threshold: float = 0.3
    share: float = 0.0


@dataclass(frozen=True, eq=False)
class Detection:
    """One fracture found: its pixels, its score from 0 to 1, the pixel (row, column) of the largest one."""

    mask: Mask
    score: float
    peak: tuple[int, int]


def predict(
    network: nn.Module,
    pixels: Pixels,
    size: tuple[int, int] = CANVAS,
    flips: Sequence[tuple[int, ...]] = FLIPS,
) -> Prediction:
    """The mean of what the network says of the image, on a canvas of `size`, and of its mirror images."""
    canvas, back = on_canvas(pixels, size)
    device = next(network.parameters()).device
    seen = torch.cat([canvas.flip(axes) if axes else canvas for axes in flips]).to(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        output: Output = network(seen)
    maps = output.maps[:, FRACTURE : FRACTURE + 1].float().sigmoid().cpu()
    straight = [one[None].flip(axes) if axes else one[None] for one, axes in zip(maps, flips, strict=True)]
    mean = torch.cat(straight).mean(0, keepdim=True)
    return Prediction(back(mean), float(output.image[:, 0].float().mean()))


def on_canvas(pixels: Pixels, size: tuple[int, int] = CANVAS) -> tuple[Tensor, Callable[[Tensor], Floats]]:
    """The image upright on a canvas (1, 1, rows, columns), and how a map of it becomes one of the image."""
    lying = pixels.shape[1] > pixels.shape[0]
    upright = np.array(np.rot90(pixels) if lying else pixels)
    image = torch.from_numpy(upright)[None, None].float() / 255
    zoom = canvas_zoom(pixels.shape, size)
    rows, columns = (min(round(n * zoom), m) for n, m in zip(image.shape[2:], size, strict=True))
    scaled = functional.interpolate(image, (rows, columns), mode="bilinear", antialias=True)
    canvas = functional.pad(scaled, (0, size[1] - columns, 0, size[0] - rows))

    def back(maps: Tensor) -> Floats:
        full = functional.interpolate(maps, size, mode="bilinear")[:, :, :rows, :columns]
        plain = functional.interpolate(full, image.shape[2:], mode="bilinear")[0, 0].numpy()
        return np.ascontiguousarray(np.rot90(plain, -1) if lying else plain)

    return canvas, back


def detections(probabilities: Floats, decoding: Decoding) -> list[Detection]:
    """The fractures of a map of probabilities; each scores its largest one."""
    found = []
    for inside, box in parts(probabilities > decoding.threshold):
        peak = float(probabilities[box][inside].max())
        core = inside & (probabilities[box] >= decoding.share * peak)
        if core.sum() >= FEWEST_PIXELS:
            found.append(detection(probabilities, core, box))
    return found


def parts(mask: Mask) -> Iterator[tuple[Mask, tuple[slice, slice]]]:
    """The connected parts of a mask, each inside the box that holds it."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        yield labels[box] == label, box


def detection(probabilities: Floats, inside: Mask, box: tuple[slice, slice]) -> Detection:
    """A detection from the pixels of a box."""
    values = np.where(inside, probabilities[box], 0)
    row, column = np.unravel_index(values.argmax(), values.shape)
    mask = np.zeros(probabilities.shape, bool)
    mask[box] = inside
    return Detection(mask, float(values.max()), (int(row) + box[0].start, int(column) + box[1].start))
