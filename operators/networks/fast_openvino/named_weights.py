"""Reads the weights of a network by the names of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class DifferentWeightsError(LookupError):
    """Raised for weights of another network."""


@dataclass(frozen=True, eq=False)
class NamedWeights:
    """The weights of one part of a network; `unread` are the names of the whole network not yet read."""

    arrays: Mapping[str, Array]
    unread: set[str]
    part: str = ""

    def of(self, *parts: str | int) -> NamedWeights:
        """Returns the weights of a part of this part."""
        return replace(self, part=self.part + "".join(f"{part}." for part in parts))

    def take(self, name: str, *shape: int) -> Array:
        """Returns an array of this part. Raises DifferentWeightsError if there is none of that shape."""
        full = self.part + name
        found = self.arrays.get(full)
        if found is None or found.shape != shape:
            raise DifferentWeightsError(full)
        self.unread.discard(full)
        return found
