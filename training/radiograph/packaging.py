"""Builds the network of a radiograph package from trained weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.architectures.radiograph_network import Output, RadiographReader
from operators.radiographs.canvas import on_canvas
from training.radiograph.dataset import ATTRIBUTES, Radiograph
from training.radiograph.recipe import NetworkSize
from training.radiograph.trainer import Weights

BATCH = 8
# Shrinkage of the covariance towards the mean variance: with few images its inverse would be unstable
SHRINKAGE = 0.01


def reader_of(
    weights: Weights, size: NetworkSize, images: Sequence[Radiograph], canvas: tuple[int, int]
) -> RadiographReader:
    """The network with its trained weights, and the mean and whitening matrix of its features on `images`."""
    reader = RadiographReader(size.channels, size.blocks, len(ATTRIBUTES))
    reader.network.load_state_dict(weights)
    found = features(reader.network.eval(), images, canvas)
    mean, whitening = whitened(found)
    reader.mean.copy_(torch.from_numpy(mean))
    reader.whitening.copy_(torch.from_numpy(whitening))
    return reader.eval()


def features(
    network: nn.Module, images: Sequence[Radiograph], canvas: tuple[int, int]
) -> NDArray[np.float32]:
    """The spatial means of each image's deepest features, (N, F)."""
    found = []
    for start in range(0, len(images), BATCH):
        part = [
            on_canvas(each.pixels.astype(np.float32) / np.float32(255), canvas).grey
            for each in images[start : start + BATCH]
        ]
        with torch.inference_mode():
            output: Output = network(torch.from_numpy(np.stack(part))[:, None])
        found.append(output.features.float().numpy())
    return np.concatenate(found)


def whitened(found: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean (F,) of features (N, F), and the matrix (F, F) that gives their deviations unit variance."""
    mean = found.mean(0)
    covariance = np.cov((found - mean).T.astype(np.float64))
    spread = np.trace(covariance) / len(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    return mean, (vectors / np.sqrt(values)).astype(np.float32)
