"""Thin pieces that an outline took along from the bone across a joint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm

Labels = NDArray[np.uint16]

# Measured: slivers of neighbours are up to 4.3 mm deep and show them 0.4 or more, fragments at most 0.2
SLIVER_MM, SLIVER_SHARE = 4.5, 1 / 3


def slivers(labels: Labels, others: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.bool_]:
    """Which labels (V,) are thin and show a third or more of their outer surface to another bone.

    The fragments of a bone show theirs to soft tissue; a thin piece that does not was cut off the
    neighbour, where the joint between them was too narrow to be seen.
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
    """The share of a piece's outer surface, its faces to its own bone left out, that another bone touches."""
    shell = ndimage.binary_dilation(piece) & (labels == 0)
    return int((shell & others).sum()) / max(int(shell.sum()), 1)
