"""Fracture fragments of one bone, from the probabilities of interior and contact surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log10

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.distance import distance_mm
from operators.imaging.packages import FragmentRules
from operators.imaging.regions import Face, Regions, basins, voxel_graph

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]

# Valleys whose rim is lower than this are noise of the distance, not a place of their own
SHALLOW_MM = 1.0
# A certain contact surface stands as high as a place this far from one is deep
CONTACT_MM = 6.0
# Measured: slivers of neighbours are up to 4.3 mm deep and show them 0.4 or more, fragments at most 0.2
SLIVER_MM, SLIVER_SHARE = 4.5, 1 / 3


@dataclass(frozen=True, eq=False)
class FractureEvidence:
    """What the fracture network says of one bone, arrays (I, J, K) on one isotropic grid.

    `bone` is the bone's mask, `others` that of the bones around it; `interior` and `contact` are
    probabilities.
    """

    bone: NDArray[np.bool_]
    others: NDArray[np.bool_]
    interior: Array
    contact: Array
    spacing_mm: float


def split(evidence: FractureEvidence, rules: FragmentRules) -> Labels:
    """Fragments 1, 2, ... by falling size, 0 outside the bone; 1 alone where it is intact."""
    return STRATEGIES[rules.strategy](evidence, rules)


def watershed_and_merge(evidence: FractureEvidence, rules: FragmentRules) -> Labels:
    """Basins of the distance to contact surfaces, merged where little contact lies between them.

    Components of the interior alone would merge two fragments through any hole in the contact
    sheet. What speaks for a fracture is the whole face between two basins; those with less than an
    even chance of one are joined, the least likely first. Basins too small to be a fragment go to a
    neighbour beforehand, so that no voxel of the bone is lost and no crumb is taken for evidence.
    Slivers of another bone, which an outline takes along across a joint, are no fragments either.
    """
    labels = np.zeros(evidence.bone.shape, np.uint16)
    if not evidence.bone.any():
        return labels
    regions = over_segmented(evidence, rules)
    regions.merge(fracture_logit(rules, evidence.spacing_mm), lambda logit, _a, _b: logit < 0)
    labels[evidence.bone] = regions.of_voxels() + 1
    kept = large_enough(labels, smallest_voxels(evidence, rules)) & ~slivers(labels, evidence)
    return by_size(with_nearest(labels, kept))


def over_segmented(evidence: FractureEvidence, rules: FragmentRules) -> Regions:
    """Basins of the relief that could be fragments, more of them than there are, with the contact between."""
    graph = voxel_graph(evidence.bone)
    basin = basins(graph, relief(evidence, rules), SHALLOW_MM)
    regions = Regions(graph, basin, evidence.contact[evidence.bone])
    regions.absorb(smallest_voxels(evidence, rules))
    return regions


def smallest_voxels(evidence: FractureEvidence, rules: FragmentRules) -> float:
    """How many voxels the smallest fragment has."""
    return rules.minimum_mm3 / evidence.spacing_mm**3


def fracture_logit(rules: FragmentRules, spacing_mm: float) -> Callable[[Face, int], float]:
    """The log-odds that what two pieces share is a fracture; see FragmentRules."""
    bias, of_contact, of_volume, of_area = rules.fracture_logit

    def logit(face: Face, smaller_voxels: int) -> float:
        contact, volume, area = face_features(face, smaller_voxels, spacing_mm)
        return bias + of_contact * contact + of_volume * volume + of_area * area

    return logit


def face_features(face: Face, smaller_voxels: int, spacing_mm: float) -> tuple[float, float, float]:
    """Mean contact; decimal logarithms of the smaller piece's mm3 and of the face's mm2."""
    return face.mean, log10(smaller_voxels * spacing_mm**3), log10(face.size * spacing_mm**2)


def relief(evidence: FractureEvidence, rules: FragmentRules) -> Array:
    """Heights (N,) of the bone's voxels: ridges along contact surfaces, valleys far from them."""
    core = evidence.bone & (evidence.contact < rules.seed_probability)
    depth = distance_mm(core, (evidence.spacing_mm,) * 3)
    smooth: Array = ndimage.gaussian_filter(depth, 1.0)
    return CONTACT_MM * evidence.contact[evidence.bone] - smooth[evidence.bone]


def large_enough(labels: Labels, smallest: float) -> NDArray[np.bool_]:
    """Which labels (V,) have at least as many voxels; the largest always."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: NDArray[np.bool_] = sizes >= min(smallest, sizes.max())
    return large


def slivers(labels: Labels, evidence: FractureEvidence) -> NDArray[np.bool_]:
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
        thin = distance_mm(np.pad(piece, 1), (evidence.spacing_mm,) * 3).max() <= SLIVER_MM
        found[value] = thin and other_share(piece, labels[around], evidence.others[around]) >= SLIVER_SHARE
    return found


def other_share(piece: NDArray[np.bool_], labels: Labels, others: NDArray[np.bool_]) -> float:
    """The share of a piece's outer surface, its faces to its own bone left out, that another bone touches."""
    shell = ndimage.binary_dilation(piece) & (labels == 0)
    return int((shell & others).sum()) / max(int(shell.sum()), 1)


def with_nearest(labels: Labels, kept: NDArray[np.bool_]) -> Labels:
    """Gives the voxels of labels that are not `kept` (V,) to the nearest that is."""
    given_away = (labels > 0) & ~kept[labels]
    if not given_away.any():
        return labels
    free = ~kept[labels] | (labels == 0)
    nearest = ndimage.distance_transform_edt(free, return_distances=False, return_indices=True)
    return np.where(given_away, labels[tuple(nearest)], labels)


def by_size(labels: Labels) -> Labels:
    """Labels renumbered 1, 2, ... from the largest down."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    order = [v for v in np.argsort(-sizes, kind="stable") if sizes[v]]
    table = np.zeros(len(sizes), np.uint16)
    table[order] = np.arange(1, len(order) + 1)
    return table[labels]


STRATEGIES: dict[str, Callable[[FractureEvidence, FragmentRules], Labels]] = {
    "watershed_and_merge": watershed_and_merge,
}
