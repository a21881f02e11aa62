"""The image path of radiographs as plain calls: a projection in, an answer and findings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.geometry.projection import Projection
from operators.geometry.volume import LabelMap, background
from operators.networks.registry import Networks
from operators.packages.radiograph import MOST_FINDINGS, RadiographPackage
from operators.packages.structures import LATERALITY, Code, Side
from operators.process.progress import Progress
from operators.radiographs.answer import Outline, RadiographOutput, answer, outlines, sigmoids
from operators.radiographs.answer_flags import flag_answer
from operators.radiographs.canvas import Canvas, on_canvas, shrunk
from operators.segmentation.colours import finding_colour
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer
from operators.segmentation.segmentation import NetworkRun, Segment, Segmentation
from operators.segmentation.segments import FRACTURE, LESION

Floats = NDArray[np.float32]
# Axes of the canvas along which the image, and then the network's map, is mirrored
FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))
# SNOMED CT: the site of a finding if the body part was not recognised
BONE = Code("272673000", "SCT", "Bone")


@dataclass(frozen=True, eq=False)
class PreparedRadiograph:
    """A radiograph, and its canvas."""

    source: Projection
    canvas: Canvas
    package: RadiographPackage


@dataclass(frozen=True, eq=False)
class ReadRadiograph:
    """The networks' output for a radiograph, and the network runs."""

    source: Projection
    found: RadiographOutput
    network_runs: tuple[NetworkRun, ...]
    package: RadiographPackage


def prepare(image: Projection, package: RadiographPackage) -> PreparedRadiograph:
    """Returns the radiograph at the size of the training images, on the canvas of the first network."""
    rows, columns = package.folds[0].patch
    return PreparedRadiograph(image, on_canvas(shrunk(image.grey), (rows, columns)), package)


def run_networks(prepared: PreparedRadiograph, networks: Networks, progress: Progress) -> ReadRadiograph:
    """Returns the output averaged over all networks and, if the package is `mirrored`, the mirror images."""
    package, canvas = prepared.package, prepared.canvas
    flips = FLIPS if package.mirrored else FLIPS[:1]
    runs = [(spec, axes) for spec in package.folds for axes in flips]
    said = []
    for number, (spec, axes) in enumerate(runs):
        outputs = networks.get(spec).outputs(np.flip(canvas.grey, axes))
        said.append((np.flip(sigmoids(outputs[0][0]), axes), *outputs[1:]))
        progress("network", (number + 1) / len(runs))
    networks.rest()
    # What the image shows is asked of the image alone: a mirror image is mirrored
    attributes = np.mean([each[2] for each, (_, axes) in zip(said, runs, strict=True) if not axes], axis=0)
    maps, logits, _, distances = (np.mean(part, axis=0) for part in zip(*said, strict=True))
    found = RadiographOutput(
        canvas.back(maps), float(logits[0]), tuple(map(float, sigmoids(attributes))), float(distances[0])
    )
    return ReadRadiograph(
        prepared.source, found, networks.network_runs(package.networks, "exact", 0.0), package
    )


def to_segmentation(read: ReadRadiograph, networks: Networks, progress: Progress) -> Segmentation:
    """Returns the answer, with a segment for each finding; there may be none."""
    del networks
    image, package = read.source, read.package
    shape = (image.grey.shape[0], image.grey.shape[1])
    found = outlines(read.found, shape, package.decision)[:MOST_FINDINGS]
    said = answer(image, read.found, found, package, package.operating_point)
    progress("labels", 1.0)
    return Segmentation(
        LabelMap(painted(found, shape), image.grid),
        tuple(segment_of(each, said, package) for each in said.findings),
        package,
        network_runs=read.network_runs,
        flags=flag_answer(said, image, read.found, package),
        answer=said,
    )


def painted(found: Sequence[Outline], shape: tuple[int, int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Labels (columns, rows, 1) with the findings' values 1, 2, ..., the more probable one on top."""
    labels = background((shape[1], shape[0], 1), MOST_FINDINGS)
    plane = labels[:, :, 0].T
    for value, each in reversed(list(enumerate(found, 1))):
        plane[each.box][each.inside] = value
    return labels


def segment_of(found: FractureFinding, said: RadiographAnswer, package: RadiographPackage) -> Segment:
    """Returns a finding as a segment: a fracture in the image's body part."""
    side: Side | None = next((each for each in LATERALITY if each == said.laterality), None)
    return Segment(
        value=found.value,
        bone=f"fracture {found.value}",
        label=f"Fracture {found.value}",
        fragment=None,
        category=LESION,
        type=FRACTURE,
        region=package.body_parts.get(said.body_part.name, BONE),
        laterality=LATERALITY[side] if side else None,
        rgb=finding_colour(found.value),
        volume_ml=0.0,
        network_mean=found.probability,
        bone_probability=found.probability,
    )
