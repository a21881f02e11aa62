"""Merges segmentations of one series by several packages into one without overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box, Grid, LabelMap, Labels, background, slabs
from operators.packages.joint import allocate_values, join_packages, network_name
from operators.packages.packages import ModelPackage
from operators.packages.seen import merge_seen
from operators.segmentation.colours import recoloured
from operators.segmentation.lost_pieces import lost_pieces, without_pieces
from operators.segmentation.segmentation import NetworkRun, Segment, Segmentation


def crop_to_segments(made: Segmentation) -> Segmentation:
    """Returns a segmentation on the block of its grid that its segments lie in; itself without any."""
    labels, grid = made.label_map.labels, made.label_map.grid
    box = Box.around(labels)
    if box is None:
        return made
    return replace(made, label_map=LabelMap(labels[box.slices].copy(), grid.crop(box)))


def merge_segmentations(made: Sequence[Segmentation], grid: Grid) -> Segmentation:
    """Returns all segments on `grid`, of which each segmentation has a block; `made` holds at least one.

    A single one stays as it is but for its grid. A bone that several packages deliver is taken from the
    first. A voxel that several segments claim goes to the one with the highest certainty, to the first of
    equal ones; a segment that loses all of its voxels is left out, and a fragment that loses most of them.
    """
    if len(made) == 1:
        return _on_whole(made[0], grid)
    package = join_packages([each.package for each in made])
    segments = [_renumbered(each, labels) for each, labels in zip(made, _labels_of(made), strict=True)]
    tables = [_table(each, moved) for each, moved in zip(made, segments, strict=True)]
    labels, counts, claimed = _painted(made, tables, _certainties(segments, package.highest_value), grid)
    ml = grid.voxel_volume_mm3 / 1000
    kept = list(_without_lost(made, segments, counts * ml))
    if kept != list(made):
        return merge_segmentations(kept, grid)
    shown = tuple(
        replace(segment, volume_ml=float(counts[segment.value] * ml))
        for each in segments
        for segment in each.values()
        if counts[segment.value]
    )
    bones = {segment.bone for segment in shown}
    return Segmentation(
        LabelMap(labels, grid),
        recoloured(shown, package.labels),
        package,
        warnings=(*(text for each in made for text in each.warnings), *_claim_warnings(claimed, ml)),
        contacts=tuple(face for each in made for face in each.contacts if face.bone in bones),
        network_runs=tuple(
            replace(run, network=network_name(each.package, run.network))
            for each in made
            for run in each.network_runs
        ),
        seen=merge_seen(structure for each in made for structure in each.seen),
    )


def _on_whole(made: Segmentation, grid: Grid) -> Segmentation:
    """Returns a segmentation on the grid that its own is a block of."""
    part = made.label_map
    if part.grid.shape == grid.shape:
        return made
    labels = background(grid.shape, int(np.iinfo(part.labels.dtype).max))
    labels[_box_in(grid, part.grid).slices] = part.labels
    return replace(made, label_map=LabelMap(labels, grid))


def _box_in(whole: Grid, part: Grid) -> Box:
    """Returns the block of `whole` from which `part` was cropped."""
    i, j, k = np.rint((whole.lps_to_ijk @ part.ijk_to_lps[:, 3])[:3]).astype(int).tolist()
    return Box((i, j, k), (i + part.shape[0], j + part.shape[1], k + part.shape[2]))


def _labels_of(made: Sequence[Segmentation]) -> list[dict[str, int]]:
    """Returns for each segmentation the offset to the values of each of its bones, by the bone's name."""
    packages = [each.package for each in made]
    return [
        {label.name: label.first_value - first for first, label in labels.items()}
        for labels in allocate_values(packages)
    ]


def _renumbered(made: Segmentation, offsets: dict[str, int]) -> dict[int, Segment]:
    """Returns the delivered segments with their new values, by their old ones."""
    return {
        segment.value: replace(segment, value=segment.value + offsets[segment.bone])
        for segment in made.segments
        if segment.bone in offsets
    }


def _table(made: Segmentation, segments: dict[int, Segment]) -> NDArray[np.uint16]:
    """Returns the new value of each old one; 0 for values that are not delivered."""
    table = np.zeros(np.iinfo(made.label_map.labels.dtype).max + 1, np.uint16)
    for old, segment in segments.items():
        table[old] = segment.value
    return table


def _certainties(segments: Sequence[dict[int, Segment]], highest: int) -> NDArray[np.float32]:
    """Returns the certainty of each new value; the background's is below all others."""
    certain = np.full(highest + 1, -1, np.float32)
    for each in segments:
        for segment in each.values():
            certain[segment.value] = segment.network_mean
    return certain


def _painted(
    made: Sequence[Segmentation],
    tables: Sequence[NDArray[np.uint16]],
    certain: NDArray[np.float32],
    grid: Grid,
) -> tuple[Labels, NDArray[np.int64], int]:
    """Returns the label map (I, J, K), the voxel count of each value, and the number of voxels claimed
    repeatedly.

    Works slab by slab, as numpy needs eight bytes a voxel to count.
    """
    labels = background(grid.shape, len(certain) - 1)
    counts, claimed = np.zeros(len(certain), np.int64), 0
    for each, table in zip(made, tables, strict=True):
        block = labels[_box_in(grid, each.label_map.grid).slices]
        for slab in slabs(block.shape):
            here, own = block[slab.slices], table[each.label_map.labels[slab.slices]]
            claimed += int(np.count_nonzero((own > 0) & (here > 0)))
            better = (own > 0) & (certain[own] > certain[here])
            here[better] = own[better]
    for slab in slabs(grid.shape):
        counts += np.bincount(labels[slab.slices].ravel(), minlength=len(certain))
    return labels, counts, claimed


def _without_lost(
    made: Sequence[Segmentation], segments: Sequence[dict[int, Segment]], left_ml: NDArray[np.floating]
) -> Iterator[Segmentation]:
    """Yields the segmentations without fragments most of which went to others; those left empty are not."""
    for each, delivered in zip(made, segments, strict=True):
        lost = lost_pieces(each, {old: float(left_ml[new.value]) for old, new in delivered.items()})
        rest = without_pieces(each, lost) if lost else each
        if rest.segments:
            yield rest


def _claim_warnings(claimed: int, voxel_ml: float) -> list[str]:
    if not claimed:
        return []
    return [f"{claimed * voxel_ml:.1f} ml claimed by two packages were given to the more certain segment"]


def network_runs_of(
    network_runs: Sequence[NetworkRun], part: ModelPackage, package: ModelPackage
) -> list[NetworkRun]:
    """Returns how the networks of one part of a package were run, under their own names."""
    if part is package:
        return list(network_runs)
    own = {network_name(part, spec.name): spec.name for spec in part.networks}
    return [replace(run, network=own[run.network]) for run in network_runs if run.network in own]
