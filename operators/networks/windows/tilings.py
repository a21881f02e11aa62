"""Lays out the tiles of a published network: as nnU-Net does, or fewer tiles of another size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box
from operators.intensities.normalisation import normalise
from operators.networks.architectures.unet_arguments import strides_of
from operators.networks.windows.layout import (
    LEAST_WEIGHT,
    Slices,
    compute_steps_for_sliding_window,
    tile_slices,
)
from operators.nnunet.channels import Channels
from operators.packages.packages import NetworkSpec
from operators.packages.plans import Stage

Array = NDArray[np.float32]
Corner = tuple[int, ...]

# Share of a tile that overlaps its neighbour in the fast mode: twice the sigma of its weights
OVERLAP = 0.25
# A side may be half or twice that of training: norms depend on what is in the tile
LEAST, MOST = 0.5, 2.0
# Air and objects in it are below, lungs and fat above
BODY_HU = -500.0


@dataclass(frozen=True)
class TileLayout:
    """Tiles of `patch` at `corners` in the `box` of an image, which is padded if a tile is larger.

    `rows` are all starts along the first axis, including those where no tile is run. `mirror_axes` are
    mirrored and averaged. `least` is the least weight in a tile, as a share of the greatest; 0 for the
    original's weights, which half precision can barely represent in a tile's corners. With `folds_together`,
    folds share one sum; otherwise each has its own, rounded as in the original.
    """

    mode: str
    patch: tuple[int, ...]
    box: Slices
    rows: tuple[int, ...]
    corners: tuple[Corner, ...]
    overlap: float
    least: float
    mirror_axes: tuple[int, ...]
    folds_together: bool

    def spec(self, spec: NetworkSpec) -> NetworkSpec:
        """Returns a fold for these tiles; in the fast mode the device chooses runtime and precision."""
        if self.mode == "exact":
            return spec
        return replace(spec, patch=self.patch[-spec.dimensions :], precision="", runtime="")

    def layer(self, row: int) -> list[Corner]:
        """Returns the corners of the tiles that begin in a row."""
        return [corner for corner in self.corners if corner[0] == row]


def exact_tiling(channels: Channels, stage: Stage) -> TileLayout:
    """Returns nnU-Net's tiling: tiles of the trained size, evenly spread, at most `step` of a patch apart."""
    shape, patch, recipe = channels.image.shape, patch_of(stage.spec), stage.recipe
    starts = [
        compute_steps_for_sliding_window(n, side, side * recipe.step)
        for n, side in zip(shape, patch, strict=True)
    ]
    corners = tuple(product(*starts))
    overlap, mirrored = 1 - recipe.step, recipe.mirror_axes
    return TileLayout("exact", patch, whole(shape), tuple(starts[0]), corners, overlap, 0.0, mirrored, False)


def fast_tiling(channels: Channels, stage: Stage) -> TileLayout:
    """Returns the tiling that runs the fewest voxels over the body, without mirroring."""
    body = body_of(channels.image, stage.spec)
    around = Box.around(body)
    box = whole(body.shape) if around is None else around.slices
    inside = body[box]
    patch = fast_patch(inside.shape, stage.spec)
    starts = [
        compute_steps_for_sliding_window(n, side, side * (1 - OVERLAP))
        for n, side in zip(inside.shape, patch, strict=True)
    ]
    corners = tuple(corner for corner in product(*starts) if inside[tile_slices(corner, patch)].any())
    return TileLayout("fast", patch, box, tuple(starts[0]), corners, OVERLAP, LEAST_WEIGHT, (), True)


TILINGS: dict[str, Callable[[Channels, Stage], TileLayout]] = {"exact": exact_tiling, "fast": fast_tiling}


def patch_of(spec: NetworkSpec) -> tuple[int, ...]:
    """Returns the trained patch; a network of two dimensions runs over the slices of the first axis."""
    return (1,) * (3 - spec.dimensions) + spec.patch


def whole(shape: Sequence[int]) -> Slices:
    """Returns the slices of a whole image."""
    return tuple(slice(0, n) for n in shape)


def body_of(image: Array, spec: NetworkSpec) -> NDArray[np.bool_]:
    """Returns where there is more than air; everywhere if intensities do not show it."""
    low = spec.window_hu[0]
    if spec.normalisation.scheme not in ("ct", "window"):
        return np.ones(image.shape, np.bool_)
    bound = normalise(np.array([max(BODY_HU, low)], np.float32), spec)[0]
    body: NDArray[np.bool_] = image > bound
    return body if body.any() else np.ones(image.shape, np.bool_)


def fast_patch(shape: Sequence[int], spec: NetworkSpec) -> tuple[int, ...]:
    """Returns the tile that runs the fewest voxels, of all that take no more memory than the patch.

    Its sides are multiples of the network's strides; it is the patch itself if these are unknown.
    """
    patch, known = patch_of(spec), strides_of(spec)
    if known is None:
        return patch
    strides = (1,) * (3 - spec.dimensions) + known
    rows = zip(shape, patch, strides, strict=True)
    sides = [list(candidates(n, side, stride)) for n, side, stride in rows]
    fitting = [tile for tile in product(*sides) if prod(tile) <= prod(patch)]
    return min(fitting, key=lambda tile: (voxels_run(shape, tile), -min(tile)), default=patch)


def candidates(n: int, side: int, stride: int) -> Iterator[int]:
    """Yields the sides that a tile may have along one axis, up to the one that covers the axis alone."""
    if side == 1:
        yield 1
        return
    enough = ceil(n / stride) * stride
    least, most = ceil(side * LEAST / stride) * stride, int(side * MOST)
    for length in range(least, most + 1, stride):
        if length <= max(enough, least):
            yield length


def voxels_run(shape: Sequence[int], tile: Sequence[int]) -> int:
    """Returns the number of voxels that are run over an image with a tile."""
    rows = zip(shape, tile, strict=True)
    return prod(tile) * prod(
        len(compute_steps_for_sliding_window(n, side, side * (1 - OVERLAP))) for n, side in rows
    )
