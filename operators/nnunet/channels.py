"""The channels that a network reads: the image, and a channel for each label of the previous stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Channels:
    """An image (I, J, K) as a network reads it; with `values`, the labels (I, J, K) of the previous stage.

    Labels become channels tile by tile, as all at once would take four bytes a voxel and value.
    """

    image: Array
    labels: NDArray[np.uint8] | None = None
    values: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """The number of channels."""
        return 1 + len(self.values)

    def tile(self, where: tuple[slice, ...]) -> Array:
        """Returns all channels (channels, ...) of a part of the image."""
        image = self.image[where]
        whole = np.empty((self.count, *image.shape), np.float32)
        whole[0] = image
        if self.labels is not None:
            labels = self.labels[where]
            for value, into in zip(self.values, whole[1:], strict=True):
                np.equal(labels, value, out=into, casting="unsafe")
        return whole
