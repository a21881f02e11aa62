"""A network's prediction for a whole image: a map of fracture probability and a logit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.architectures.radiograph_network import FRACTURE, Output
from operators.radiographs.canvas import on_canvas
from training.device import has_fast_bfloat16
from training.radiograph.dataset import Pixels
from training.radiograph.sampling import CANVAS

Floats = NDArray[np.float32]
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


@dataclass(frozen=True, eq=False)
class Prediction:
    """The fracture probability of each pixel (rows, columns) of an image, and the image's log-odds."""

    probabilities: Floats
    logit: float


def predict(
    network: nn.Module,
    pixels: Pixels,
    size: tuple[int, int] = CANVAS,
    flips: Sequence[tuple[int, ...]] = FLIPS,
) -> Prediction:
    """The network's prediction on a canvas of `size`, averaged over the image and its mirror images."""
    canvas = on_canvas(pixels.astype(np.float32) / np.float32(255), size)
    device = next(network.parameters()).device
    plain = torch.from_numpy(canvas.grey)[None, None].to(device)
    seen = torch.cat([plain.flip(axes) if axes else plain for axes in flips])
    half = has_fast_bfloat16(device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        output: Output = network(seen)
    maps = output.maps[:, FRACTURE].float().sigmoid().cpu()
    straight = [one.flip(axes) if axes else one for one, axes in zip(maps, flips, strict=True)]
    mean = torch.stack(straight).mean(0).numpy()
    return Prediction(canvas.back(mean), float(output.image[:, 0].float().mean()))
