"""Osteon's U-Net equals MONAI's DynUNet, and voxel blocks are arranged as in MONAI."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from operators.networks.architectures.own_unets import gathered, plain_unet, spread
from operators.networks.architectures.unet_arguments import SUBPIXELS
from operators.process.monai_import import import_monai

FILTERS = (4, 6, 8, 10)
SIDES = (32, 48, 16)
dimensions = pytest.mark.parametrize("dimensions", [2, 3])


def monai_unet(dimensions: int) -> nn.Module:
    import_monai()
    from monai.networks.nets import DynUNet

    return DynUNet(
        dimensions,
        2,
        3,
        kernel_size=[3] * 4,
        strides=[1, 2, 2, 2],
        upsample_kernel_size=[2] * 3,
        filters=FILTERS,
        norm_name=("INSTANCE", {"affine": True}),
        act_name=("leakyrelu", {"negative_slope": 0.01}),
    )


@dimensions
def test_the_plain_unet_says_what_dynunet_says(dimensions: int) -> None:
    torch.manual_seed(0)
    own = plain_unet(dimensions=dimensions, inputs=2, outputs=3, filters=FILTERS).eval()
    monai = monai_unet(dimensions).eval()
    theirs = {name: value for name, value in monai.state_dict().items() if "skip_layers" not in name}
    parts = {
        "encoder.stages.0.0.": "input_block.",
        "encoder.stages.3.0.": "bottleneck.",
        "encoder.stages.1.0.": "downsamples.0.",
        "encoder.stages.2.0.": "downsamples.1.",
        "decoder.head.": "output_block.conv.conv.",
        **{f"decoder.transpconvs.{n}.": f"upsamples.{n}.transp_conv.conv." for n in range(3)},
        **{f"decoder.stages.{n}.": f"upsamples.{n}.conv_block." for n in range(3)},
        "convs.0.conv": "conv1.conv",
        "convs.1.conv": "conv2.conv",
        "convs.0.norm": "norm1",
        "convs.1.norm": "norm2",
    }
    state = {}
    for name in own.state_dict():
        there = name
        for ours, other in parts.items():
            there = there.replace(ours, other)
        state[name] = theirs.pop(there)
    assert not theirs
    own.load_state_dict(state)
    image = torch.rand(1, 2, *SIDES[:dimensions])
    with torch.no_grad():
        assert torch.equal(own(image), monai(image))


@dimensions
def test_blocks_of_voxels_are_gathered_and_spread_as_monai_does(dimensions: int) -> None:
    import_monai()
    from monai.networks.utils import pixelshuffle, pixelunshuffle

    image = torch.rand(2, 3, *SIDES[:dimensions])
    blocks = gathered(image)
    assert torch.equal(blocks, pixelunshuffle(image, dimensions, SUBPIXELS))
    assert torch.equal(spread(blocks), image)
    assert torch.equal(pixelshuffle(blocks, dimensions, SUBPIXELS), image)
