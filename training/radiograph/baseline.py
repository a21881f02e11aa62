"""A baseline classifier: ResNet-18 (He et al. 2016), from random weights."""

from __future__ import annotations

import torch
from monai.networks.nets import resnet18
from torch import Tensor, nn

from operators.networks.architectures.radiograph_network import MAPS, Output
from training.radiograph.dataset import ATTRIBUTES

# Log-odds of the maps that it does not predict
NOTHING = -20.0


class ResNet18(nn.Module):
    """Predicts only image-level logits; its maps are empty, its attributes undecided."""

    def __init__(self) -> None:
        super().__init__()
        self.network = resnet18(
            spatial_dims=2, n_input_channels=1, num_classes=2, conv1_t_stride=2, feed_forward=True
        )

    def forward(self, x: Tensor) -> Output:
        """Grey values (N, 1, H, W) between 0 and 1 to logits."""
        count, _, rows, columns = x.shape
        image = self.network((4 * x - 1).contiguous(memory_format=torch.channels_last))
        maps = x.new_full((count, MAPS, rows // 2, columns // 2), NOTHING)
        coarse = x.new_full((count, 2, rows // 8, columns // 8), NOTHING)
        return Output(maps, coarse, image, x.new_zeros((count, len(ATTRIBUTES))), x.new_zeros((count, 1)))
