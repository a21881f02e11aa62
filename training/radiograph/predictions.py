"""Predictions for whole images, and their evaluation on images that the network was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.architectures.radiograph_network import FRACTURE, Output
from operators.radiographs.canvas import on_canvas
from operators.radiographs.detections import Decoding, detections
from training.device import has_fast_bfloat16
from training.radiograph.batches.sampler import CANVAS
from training.radiograph.datasets.radiograph import Pixels, Radiograph
from training.radiograph.metrics import Found, auc, average_precision, balanced_point, compare, sensitivity

Floats = NDArray[np.float32]
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))

# Map values below this belong to no detection
THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
# The candidate decodings. Fracture pixels are few and weighted more in the loss, so maps overestimate around
# fractures, and outlines near the peak fit best
LEVELS, SHARES, DILATIONS = (0.1, 0.3), (0.0, 0.4, 0.55, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9), (0, 2, 4)
DECODINGS = tuple(
    Decoding(level, share, dilation=dilation) for level, share, dilation in product(LEVELS, SHARES, DILATIONS)
)


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
    """Returns the prediction on a canvas of `size`, averaged over the image and its mirror images."""
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


@dataclass(frozen=True, eq=False)
class Case:
    """An image, its ground truth, and a network's prediction."""

    image: Radiograph
    prediction: Prediction

    def found(self, decoding: Decoding) -> Found:
        """Returns the detections compared with the outlined fractures."""
        return compare(detections(self.prediction.probabilities, decoding), self.image.masks())


def predict_all(
    network: nn.Module, images: Sequence[Radiograph], canvas: tuple[int, int], mirrored: bool = True
) -> list[Case]:
    """Returns the network's predictions, averaged over mirror images if `mirrored`."""
    flips = FLIPS if mirrored else FLIPS[:1]
    return [Case(image, predict(network, image.pixels, canvas, flips)) for image in images]


def quick_metrics(cases: Sequence[Case]) -> dict[str, float]:
    """Returns the metrics in a training's log."""
    true = np.array([case.image.fractured for case in cases])
    logits = np.array([case.prediction.logit for case in cases])
    peaks = np.array([float(case.prediction.probabilities.max()) for case in cases])
    metrics = {
        "auc": auc(logits, true),
        "auc of maps": auc(peaks, true),
        "accuracy": balanced_point(logits, true)[0],
    }
    known = [case for case in cases if case.image.outlined]
    for threshold in THRESHOLDS:
        found = [case.found(Decoding(threshold)) for case in known]
        outlined = [one for one, case in zip(found, known, strict=True) if case.image.fractured]
        metrics[f"mAP50 at {threshold}"] = average_precision(outlined)
        metrics[f"sensitivity at {threshold}"] = sensitivity(found, 0.5) if found else float("nan")
    return metrics
