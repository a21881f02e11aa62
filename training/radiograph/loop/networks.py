"""The networks that are trained on radiographs: Osteon's, and a baseline classifier."""

from __future__ import annotations

import torch
from monai.networks.nets import resnet18
from torch import Tensor, nn

from operators.networks.architectures.radiograph_network import MAPS, Output, RadiographNetwork
from training.radiograph.datasets.radiograph import RECOGNISED
from training.radiograph.loop.schedule import Phase, RadiographRecipe

Weights = dict[str, Tensor]
# Log-odds of the maps that the classifier does not draw
NOTHING = -20.0
# Momentum of the running statistics of batch normalisation
MOMENTUM = 0.05


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016): predicts only image-level logits; its maps and attributes are constant."""

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
        return Output(maps, coarse, image, x.new_zeros((count, len(RECOGNISED))), x.new_zeros((count, 1)))


def build(recipe: RadiographRecipe) -> nn.Module:
    """Returns the recipe's network with random weights."""
    size = recipe.size
    network = RadiographNetwork(size.channels, size.blocks, len(RECOGNISED)) if size else ResNet18()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def network_of(weights: Weights, recipe: RadiographRecipe) -> nn.Module:
    """Returns a network in evaluation mode."""
    network = build(recipe)
    network.load_state_dict(weights)
    return network.eval()


def grouped(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups of the optimiser: only kernels have weight decay."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def set_momentum(network: nn.Module, whole: bool, phase: Phase) -> None:
    """Updates running statistics only on whole images, if the phase has any: the network will read those."""
    keep = whole or not any(one.whole for one in phase.draws)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM if keep else 0.0
