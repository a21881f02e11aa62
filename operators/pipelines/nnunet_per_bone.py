"""A published fracture network after a published anatomy network, as plain calls: bone by bone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from operators.fragments.per_bone import Pieces, cut_out_bone, pieces_of, write_pieces
from operators.geometry.volume import Box, LabelMap, Labels, background
from operators.networks.registry import Networks
from operators.networks.windows.nnunet_stages import part_of, run_stages
from operators.nnunet.preprocessing import PreprocessedImage, preprocess
from operators.packages.packages import Label
from operators.packages.plans import NnUNetPerBonePackage
from operators.pipelines.network_output import NetworkOutput, PreparedScan, not_found
from operators.process.prefetch import prefetch
from operators.process.progress import Progress
from operators.segmentation.segmentation import NetworkRun, Segment, Segmentation
from operators.segmentation.segments import segment_of

Anatomy = NetworkOutput[NnUNetPerBonePackage]
BoneBlock = PreparedScan[PreprocessedImage, NnUNetPerBonePackage]


@dataclass(frozen=True, eq=False)
class FoundBone:
    """A bone, its value `own` in the anatomy network's labels, and its block of the scan."""

    label: Label
    own: int
    box: Box


@dataclass(frozen=True, eq=False)
class Fragmented:
    """The fragments of one bone, and the network run that found them."""

    pieces: Pieces
    certainties: dict[int, float]
    network_runs: tuple[NetworkRun, ...]


def split_bones(anatomy: Anatomy, networks: Networks, progress: Progress) -> Segmentation:
    """Splits each bone that the anatomy network found. Raises UnsuitableError if there is none."""
    labels = background(anatomy.found.labels.shape, anatomy.package.highest_value)
    segments: list[Segment] = []
    warnings: list[str] = []
    network_runs, bones = list(anatomy.network_runs), found_bones(anatomy)
    # The next bone is cut out and resampled while the networks run on the present one
    blocks = prefetch(block_of(bone, anatomy) for bone in bones)
    for number, (bone, block) in enumerate(zip(bones, blocks, strict=True)):
        here = part_of(partial(progress, "fracture"), number, len(bones))
        fragmented = None if block is None else fragments_of(bone, block, networks, here)
        warnings += write_bone(bone, fragmented, anatomy, labels)
        segments += segments_of(bone, fragmented, anatomy, labels)
        network_runs += fragmented.network_runs if fragmented else ()
    package, grid = anatomy.package, anatomy.source.grid
    return Segmentation(
        LabelMap(labels, grid),
        tuple(segments),
        package,
        tuple(warnings),
        network_runs=tuple(dict.fromkeys(network_runs)),
    )


def found_bones(anatomy: Anatomy) -> list[FoundBone]:
    """Returns the bones in the order of the package's labels. Raises UnsuitableError if there are none."""
    package = anatomy.package
    boxes = dict(enumerate(ndimage.find_objects(anatomy.found.labels), start=1))
    bones = [
        FoundBone(label, own, Box.of(boxes[own]))
        for label, own in zip(package.labels, package.bones, strict=True)
        if boxes.get(own)
    ]
    if not bones:
        raise not_found(package)
    return bones


def block_of(bone: FoundBone, anatomy: Anatomy) -> BoneBlock | None:
    """Returns one bone, cut out of the CT; None if it is not to be split, or if the block is empty."""
    package = anatomy.package
    if len(bone.label.values) == 1:
        return None
    mask = anatomy.found.labels[bone.box.slices] == bone.own
    block = cut_out_bone(anatomy.source, bone.box, mask, package.splitting.blank_hu)
    return PreparedScan(block, preprocess(block, package.fracture[0]), package) if block.hu.any() else None


def fragments_of(
    bone: FoundBone,
    block: BoneBlock,
    networks: Networks,
    progress: Callable[[float], None],
) -> Fragmented:
    """Runs the fracture network on one bone."""
    package, stages = block.package, block.package.fracture
    values = stages[-1].values
    found, network_runs = run_stages(
        block.source, block.prepared, stages, networks, tuple(values.values()), progress
    )
    most, voxel_mm3 = len(bone.label.values), block.source.grid.voxel_volume_mm3
    pieces = pieces_of(found.labels, values, package.splitting, voxel_mm3, most)
    return Fragmented(pieces, found.certainties, network_runs)


def write_bone(bone: FoundBone, fragmented: Fragmented | None, anatomy: Anatomy, labels: Labels) -> list[str]:
    """Writes a bone into `labels`, as in the anatomy network's labels if not split; returns warnings."""
    part, own = labels[bone.box.slices], anatomy.found.labels[bone.box.slices]
    name, first = bone.label.meaning, bone.label.first_value
    if fragmented is None or not fragmented.pieces.classes:
        part[(own == bone.own) & (part == 0)] = first
        said = f"{name}: no fragment was found, the bone is delivered as the anatomy network outlined it"
        return [said] if len(bone.label.values) > 1 else []
    write_pieces(part, fragmented.pieces, own, bone.own, first)
    beyond, most = fragmented.pieces.beyond, len(bone.label.values)
    return [f"{name}: {beyond} more fragments than its {most} label values can hold"] if beyond else []


def segments_of(
    bone: FoundBone, fragmented: Fragmented | None, anatomy: Anatomy, labels: Labels
) -> list[Segment]:
    """Describes each value of one bone; values without voxels are left out."""
    label, package = bone.label, anatomy.package
    counts = np.bincount(labels[bone.box.slices].ravel(), minlength=label.last_value + 1)
    values = [value for value in label.values if counts[value]]
    whole, ml = len(values) == 1, anatomy.source.grid.voxel_volume_mm3 / 1000
    sure = dict.fromkeys(label.values, anatomy.found.certainties.get(bone.own, 0.0))
    if fragmented:
        made_of = enumerate(fragmented.pieces.classes, start=label.first_value)
        sure |= {value: fragmented.certainties.get(one, 0.0) for value, one in made_of}
    return [
        segment_of(label, package.labels, value, None if whole else n, float(counts[value] * ml), sure[value])
        for n, value in enumerate(values, start=1)
    ]
