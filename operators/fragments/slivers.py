"""Finds thin pieces of a neighbouring bone that an outline includes across a joint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm

Labels = NDArray[np.uint16]

# Measured: slivers of neighbours are up to 4.3 mm deep and share 0.4 or more of their surface with them,
# fragments at most 0.2
SLIVER_MM, SLIVER_SHARE = 4.5, 1 / 3


def slivers(labels: Labels, others: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    """Returns which labels (V,) are thin and share a third or more of their outer surface with another bone.

    The outer surface of a bone's fragments borders soft tissue. A thin piece that borders another bone
    instead was cut off that neighbour, where the joint between them was too narrow to be seen.
    """
    found = np.zeros(int(labels.max()) + 1, bool)
    main = int(np.bincount(labels[labels > 0]).argmax())
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None or value == main:
            continue
        around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        piece = labels[around] == value
        found[value] = (
            other_share(piece, labels[around], others[around]) >= SLIVER_SHARE
            and distance_mm(np.pad(piece, 1), (spacing_mm,) * 3).max() <= SLIVER_MM
        )
    return found


def other_share(piece: NDArray[np.bool_], labels: Labels, others: NDArray[np.bool_]) -> float:
    """Returns the share of a piece's outer surface, but for its own bone, that touches another bone."""
    shell = ndimage.binary_dilation(piece) & (labels == 0)
    return int((shell & others).sum()) / max(int(shell.sum()), 1)
