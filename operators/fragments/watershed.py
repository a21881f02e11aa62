"""Finds the fracture fragments of one bone from the probability of contact surfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, log10
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from operators.fragments.dark_faces import decisive_odds
from operators.fragments.evidence import EVEN, FractureEvidence, Fragments, LeastOdds
from operators.fragments.region_graph import Face, Regions, basins, voxel_graph
from operators.geometry.distance import distance_mm
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import CERTAIN

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]
Number = TypeVar("Number", bound=np.integer)

# Valleys with a lower rim are noise of the distance, not separate places
SHALLOW_MM = 1.0
# Smoothing of the depth, a little more than a voxel, which hides voxel steps
SMOOTH_MM = 1.2
# The height of a certain contact surface, as high as a place this far from one is deep
CONTACT_MM = 6.0
# Measured: slivers of neighbours are up to 4.3 mm deep and share 0.4 or more of their surface with them,
# fragments at most 0.2
SLIVER_MM, SLIVER_SHARE = 4.5, 1 / 3


def watershed_and_merge(
    evidence: FractureEvidence, rules: FragmentRules, least: LeastOdds = EVEN
) -> Fragments:
    """Returns the basins of the distance to contact surfaces, merged where little contact lies between them.

    Components of the interior alone would merge two fragments through any hole in the contact sheet. The
    evidence for a fracture is the whole face between two basins; basins with log-odds below `least.face` are
    joined, the least likely first. Basins too small to be a fragment are given to a neighbour beforehand, so
    that no voxel of the bone is lost and no crumb counts as evidence. Slivers of another bone, which an
    outline includes across a joint, are not fragments either. If no face is decisive enough for `least.bone`,
    all basins that touch are joined.
    """
    if not evidence.bone.any():
        return Fragments(np.zeros(evidence.bone.shape, np.uint16), {}, -CERTAIN)
    regions = over_segmented(evidence, rules)
    found = merged(regions, evidence, rules, least)
    if not found.contacts or least.bone <= least.face or decisive_odds(found, evidence) >= least.bone:
        return found
    return merged(regions, evidence, rules, replace(least, face=inf))


def merged(regions: Regions, evidence: FractureEvidence, rules: FragmentRules, least: LeastOdds) -> Fragments:
    """Joins regions over faces below `least.face`; returns what remains as fragments."""
    labels = np.zeros(evidence.bone.shape, np.uint16)
    logit = fracture_logit(rules, evidence.spacing_mm)
    nearest = join_below(regions, logit, least.face)
    apart = lone_pieces(regions, logit)
    labels[evidence.bone] = regions.of_voxels() + 1
    kept = large_enough(labels, smallest_voxels(evidence, rules))
    kept &= ~slivers(labels, evidence.others, evidence.spacing_mm)
    kept[[region + 1 for region, odds in apart.items() if odds < least.apart]] = False
    labels = with_nearest(labels, kept)
    ranks = by_size(labels, len(kept))
    contacts = (
        contacts_between(regions, logit, ranks)
        | contacts_lost(regions, logit, ranks)
        | {(1, int(ranks[region + 1])): odds for region, odds in apart.items() if ranks[region + 1] > 1}
    )
    nearest = max([nearest, *(odds for odds in apart.values() if odds < least.apart)])
    return Fragments(ranks[labels], contacts, max(contacts.values(), default=nearest))


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


def join_below(regions: Regions, logit: Callable[[Face, int], float], least_odds: float) -> float:
    """Joins pieces over faces with log-odds below `least_odds`; returns the highest of the joined faces."""
    joined = [-CERTAIN]

    def may_join(odds: float, _a: int, _b: int) -> bool:
        if odds < least_odds:
            joined.append(odds)
        return odds < least_odds

    regions.merge(logit, may_join)
    return max(joined)


def lone_pieces(regions: Regions, logit: Callable[[Face, int], float]) -> dict[int, float]:
    """Returns the log-odds of pieces that touch no other, without the largest.

    Each is judged as if a face of certain contact, as wide as the piece, separated it from the largest: a
    piece that even such a face could not separate is a crumb of the outline.
    """
    largest = max(regions.sizes, key=lambda region: regions.sizes[region])
    lone = [region for region, row in regions.faces.items() if not row and region != largest]
    wide = {region: max(round(regions.sizes[region] ** (2 / 3)), 1) for region in lone}
    return {region: logit(Face(wide[region], wide[region]), regions.sizes[region]) for region in lone}


def contacts_between(
    regions: Regions, logit: Callable[[Face, int], float], ranks: Labels
) -> dict[tuple[int, int], float]:
    """Returns the log-odds of each face between two fragments; `ranks` (V,) are those of the regions."""
    return {
        (int(ranks[a + 1]), int(ranks[b + 1])): logit(face, min(regions.sizes[a], regions.sizes[b]))
        for a, row in regions.faces.items()
        for b, face in row.items()
        if 0 < ranks[a + 1] < ranks[b + 1]
    }


def contacts_lost(
    regions: Regions, logit: Callable[[Face, int], float], ranks: Labels
) -> dict[tuple[int, int], float]:
    """Returns the log-odds of fragments that touched only removed pieces, the lowest of those faces."""
    found = {}
    for region, row in regions.faces.items():
        rank = int(ranks[region + 1])
        if rank > 1 and row and not any(ranks[other + 1] for other in row):
            sizes = regions.sizes
            found[1, rank] = min(logit(face, min(sizes[region], sizes[b])) for b, face in row.items())
    return found


def over_segmented(evidence: FractureEvidence, rules: FragmentRules) -> Regions:
    """Returns the relief's basins that could be fragments, more than there are, and their contact."""
    graph = voxel_graph(evidence.bone)
    basin = basins(graph, relief(evidence, rules), SHALLOW_MM)
    regions = Regions(graph, basin, evidence.contact[evidence.bone])
    regions.absorb(smallest_voxels(evidence, rules))
    return regions


def smallest_voxels(evidence: FractureEvidence, rules: FragmentRules) -> float:
    """Returns the number of voxels of the smallest fragment."""
    return rules.minimum_mm3 / evidence.spacing_mm**3


def fracture_logit(rules: FragmentRules, spacing_mm: float) -> Callable[[Face, int], float]:
    """Returns the function for the log-odds that a face is a fracture; see FragmentRules."""
    bias, of_contact, of_volume, of_area = rules.fracture_logit

    def logit(face: Face, smaller_voxels: int) -> float:
        contact, volume, area = face_features(face, smaller_voxels, spacing_mm)
        return bias + of_contact * contact + of_volume * volume + of_area * area

    return logit


def face_features(face: Face, smaller_voxels: int, spacing_mm: float) -> tuple[float, float, float]:
    """Returns the mean contact, and decimal logarithms of the smaller piece's mm3 and of the face's mm2."""
    return face.mean, log10(smaller_voxels * spacing_mm**3), log10(face.size * spacing_mm**2)


def relief(evidence: FractureEvidence, rules: FragmentRules) -> Array:
    """Returns the heights (N,) of the bone's voxels: ridges along contact surfaces, valleys far from them."""
    core = evidence.bone & (evidence.contact < rules.seed_probability)
    depth = distance_mm(core, (evidence.spacing_mm,) * 3)
    smooth: Array = ndimage.gaussian_filter(depth, SMOOTH_MM / evidence.spacing_mm)
    return CONTACT_MM * evidence.contact[evidence.bone] - smooth[evidence.bone]


def large_enough(labels: NDArray[np.integer], smallest: float) -> NDArray[np.bool_]:
    """Returns which labels (V,) have at least `smallest` voxels; the largest always does."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: NDArray[np.bool_] = sizes >= min(smallest, sizes.max())
    return large


def with_nearest(labels: NDArray[Number], kept: NDArray[np.bool_]) -> NDArray[Number]:
    """Assigns the voxels of labels that are not `kept` (V,) to the nearest kept label."""
    there = labels > 0
    given_away = there & ~kept[labels]
    if not given_away.any():
        return labels
    # The nearest voxel of a set is on its surface: few to search, while a transform would read all
    taking = there & ~given_away
    surface = np.argwhere(taking & ~ndimage.binary_erosion(taking))
    _, nearest = cKDTree(surface).query(np.argwhere(given_away))
    result = labels.copy()
    result[given_away] = labels[tuple(surface[nearest].T)]
    return result


def by_size(labels: NDArray[np.integer], count: int) -> Labels:
    """Returns for each of `count` labels its rank by size, 1 for the largest; 0 for labels without voxels."""
    sizes = np.bincount(labels.ravel(), minlength=count)
    sizes[0] = 0
    order = [v for v in np.argsort(-sizes, kind="stable") if sizes[v]]
    table = np.zeros(len(sizes), np.uint16)
    table[order] = np.arange(1, len(order) + 1)
    return table
