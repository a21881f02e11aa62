"""The bones of a published anatomy network, split into fragments as those of Osteon's own packages are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from operators.bones.outlines import OutlinedBone
from operators.bones.regions import AROUND_MM, BoneRegion
from operators.geometry.volume import Box
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import Window
from operators.packages.plans import NnUNetFragmentsPackage
from operators.pipelines.coarse_to_fine import Anatomy, segment_fractures
from operators.pipelines.network_output import NetworkOutput, not_found
from operators.process.progress import Progress
from operators.segmentation.segmentation import Segmentation

Output = NetworkOutput[NnUNetFragmentsPackage]


def split_bones(output: Output, networks: Networks, progress: Progress) -> Segmentation:
    """Splits each bone that the anatomy network found. Raises UnsuitableError if there is none."""
    bones = tuple(found_bones(output))
    if not bones:
        raise not_found(output.package)
    made = segment_fractures(Anatomy(output.source, bones, output.package), networks, progress)
    own = networks.network_runs((output.package.fracture,), "own", Window().overlap)
    return replace(made, network_runs=(*output.network_runs, *own))


def found_bones(output: Output) -> Iterator[OutlinedBone]:
    """Yields the bones on the source's voxels, in the order of the package's labels."""
    labels, grid, package = output.found.labels, output.source.grid, output.package
    boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
    for label, own in zip(package.labels, package.bones, strict=True):
        if (place := boxes.get(own)) is None:
            continue
        box = Box.of(place)
        around = box.grow_mm(AROUND_MM, grid.spacing_mm, labels.shape)
        part = labels[around.slices]
        others = (part > 0) & (part != own)
        # The network's labels say nothing between 0 and 1
        margin = np.where(part == own, np.float32(1), np.float32(-1))
        sure = output.found.certainties.get(own, 0.0)
        region = BoneRegion(label, margin, others, others, grid.crop(around), sure)
        yield OutlinedBone(region, labels[box.slices] == own, box)
