"""Sums of a published network: weights and rounding are nnU-Net's, for any number of rows at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from operators.networks.windows.averages import AVERAGES
from operators.networks.windows.layout import compute_gaussian, tile_slices
from operators.networks.windows.nnunet_window import Sums
from operators.networks.windows.tilings import TileLayout, whole
from operators.packages.packages import NetworkSpec
from operators.packages.plans import Averaged, NnUNetPlans, Resampling, Stage

PATCH, SHAPE, CORNERS = (10, 8, 12), (10, 20, 16), ((0, 0, 0), (0, 12, 0), (0, 5, 4))
SPEC = NetworkSpec(
    "fold_0", "nnunet_plain", {}, Path("w"), "0", (1.0, 1.0, 1.0), PATCH, (-350.0, 900.0), ("air", "bone")
)
RECIPE = NnUNetPlans("LPS", (0, 1, 2), Resampling(3), Resampling(1))


@pytest.mark.parametrize("patch", [(12, 19, 11), (1, 24, 16), (1, 1, 1)])
@pytest.mark.parametrize(("kind", "top"), [(torch.float16, 10.0), (torch.float32, 1.0)])
def test_a_tile_s_weights_are_those_of_a_point_smeared_along_all_axes_at_once(
    patch: tuple[int, ...], kind: torch.dtype, top: float
) -> None:
    point = np.zeros([side for side in patch if side > 1] or [1])
    point[tuple(side // 2 for side in point.shape)] = 1
    if point.size > 1:
        point = ndimage.gaussian_filter(point, [side / 8 for side in point.shape], mode="constant")
    expected = torch.from_numpy(point / (point.max() / top)).to(kind).reshape(patch)
    expected[expected == 0] = expected[expected > 0].min()
    assert torch.equal(compute_gaussian(patch, top, 0.0, kind), expected.float())


@pytest.mark.parametrize("averaged", sorted(AVERAGES))
def test_what_is_added_a_few_rows_at_a_time_is_rounded_as_whole_tiles_are(averaged: Averaged) -> None:
    stage = Stage((SPEC,), replace(RECIPE, averaged=averaged))
    tiling = TileLayout("exact", PATCH, whole(SHAPE), (0,), CORNERS, 0.5, 0.0, (), False)
    sums, rng = Sums(stage, SHAPE, tiling), np.random.default_rng(1)
    total, weight = torch.zeros_like(sums.total), torch.zeros_like(sums.weight)
    for corner in CORNERS:
        found, where = rng.normal(0, 30, (2, *PATCH)).astype(np.float32), tile_slices(corner, PATCH)
        sums.add(corner, found)
        total[(slice(None), *where)] += torch.from_numpy(found) * sums.gauss
        weight[where] += sums.gauss
    assert torch.equal(sums.total, total)
    assert torch.equal(sums.weight, weight)
