"""The channels that a network reads beside the image: the labels of the stage before it, one each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Channels:
    """An image (I, J, K) as a network reads it; with `values`, labels (I, J, K) of the stage before.

    The labels become channels tile by tile, as all at once would take four bytes a voxel and value.
    """

    image: Array
    labels: NDArray[np.uint8] | None = None
    values: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Channels."""
        return 1 + len(self.values)

    def tile(self, where: tuple[slice, ...]) -> Array:
        """All channels of a part (channels, ...)."""
        image = self.image[where]
        whole = np.empty((self.count, *image.shape), np.float32)
        whole[0] = image
        if self.labels is not None:
            labels = self.labels[where]
            for value, into in zip(self.values, whole[1:], strict=True):
                np.equal(labels, value, out=into, casting="unsafe")
        return whole
