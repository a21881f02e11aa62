"""A network that tells the level of one bone of a row, of which a channel says where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from operators.networks.architectures.unets import ConvStack, Layers


class LevelReader(nn.Module):
    """Scores (N, outputs) of levels, regions and ribs, from an image and the outline of a bone (N, 2, ...).

    Features of the whole patch and those at the bone are pooled apart: what lies around tells as much as the
    bone itself. Sides are multiples of 2 to the number of `filters` less one.
    """

    def __init__(self, dimensions: int, outputs: int, filters: Sequence[int], inputs: int = 2) -> None:
        super().__init__()
        layers, kernel = Layers(dimensions, bias=False), [3] * dimensions
        first = ConvStack(layers, 1, inputs, filters[0], kernel)
        others = (ConvStack(layers, 2, a, b, kernel, [2] * dimensions) for a, b in pairwise(filters))
        self.stages = nn.Sequential(first, *others)
        self.step = 2 ** (len(filters) - 1)
        self.hidden = nn.Linear(2 * filters[-1], filters[-1])
        self.heads = nn.Linear(filters[-1], outputs)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns scores (N, outputs) of an image with the outline in its last channel."""
        features = self.stages(image).flatten(2)
        outline = functional.avg_pool3d(image[:, -1:], self.step).flatten(2)
        at_bone = (features * outline).sum(-1) / (outline.sum(-1) + 1e-3)
        pooled = torch.cat([features.mean(-1), at_bone], 1)
        scores: torch.Tensor = self.heads(functional.leaky_relu(self.hidden(pooled), 0.01))
        return scores
