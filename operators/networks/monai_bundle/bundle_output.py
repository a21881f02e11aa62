"""Runs a bundle's network over a prepared image, and turns its outputs into labels of the scan's voxels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from operators.geometry.components import components_of
from operators.networks.monai_bundle.bundle_steps import PreparedBundleImage
from operators.networks.windows.bundle_window import Progress, Run, slabs
from operators.networks.windows.labelled_scan import Certainties, LabelledScan
from operators.networks.windows.sliding_window import softmax
from operators.nnunet.preprocessing import sigmoid
from operators.packages.monai_bundle import LabelRules, MonaiBundlePackage

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]


def shares(outputs: Array) -> Array:
    """Returns the probabilities of mutually exclusive outputs in a new array."""
    return softmax(outputs.copy())


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "softmax": shares,
    "sigmoid": sigmoid,
    "none": lambda outputs: outputs,
}
# The function that gives the probability of an output, by decision
CERTAINTIES = {"greatest": shares, "threshold": sigmoid}
# A slab's position, its outputs (classes, I, J, K), and its labels (I, J, K)
Row = tuple[slice, Array, Labels]


def run_bundle(
    run: Run, prepared: PreparedBundleImage, package: MonaiBundlePackage, progress: Progress
) -> LabelledScan:
    """Runs the network over the image; labels are decided before or after resampling to the scan."""
    outcome, certainties = package.outcome, Certainties()
    said = slabs(run, prepared.image, package.network, package.tiling, progress)
    rows = (activate(where, outputs, package, certainties) for where, outputs in said)
    found = (decide_before_resampling if outcome.decided_first else decide_after_resampling)(
        rows, prepared, package
    )
    for value in outcome.largest:
        keep_largest(found, value, outcome.connected)
    delivered = np.isin(np.arange(256), [label.first_value for label in package.labels])
    # Plane by plane, as numpy needs eight bytes a voxel to count
    counts = np.sum([np.bincount(plane.ravel(), minlength=256) for plane in found], axis=0)
    found *= delivered.astype(np.uint8)[found]
    return LabelledScan(found, counts * delivered, certainties.table())


def activate(where: slice, outputs: Array, package: MonaiBundlePackage, certainties: Certainties) -> Row:
    """Returns a slab after its activation, with its labels, and adds their probabilities to `certainties`."""
    active = ACTIVATIONS[package.outcome.activation](outputs)
    labels = decide_labels(active, package)
    certainties.add(labels, CERTAINTIES[package.outcome.decision](outputs).max(axis=0))
    return where, active, labels


def decide_before_resampling(
    rows: Iterable[Row], prepared: PreparedBundleImage, package: MonaiBundlePackage
) -> Labels:
    """Decides labels at the network's voxels, then resamples them to the scan, slab by slab."""
    del package
    labels = np.zeros(prepared.image.shape, np.float32)
    for where, _, found in rows:
        labels[where] = found
    return prepared.back(labels, True).astype(np.uint8)


def decide_after_resampling(
    rows: Iterable[Row], prepared: PreparedBundleImage, package: MonaiBundlePackage
) -> Labels:
    """Collects all outputs at the network's voxels, resamples each to the scan, then decides labels."""
    whole = np.empty((len(package.outcome.values), *prepared.image.shape), np.float32)
    for where, active, _ in rows:
        whole[:, where] = active
    nearest = package.outcome.nearest
    return decide_labels((prepared.back(channel, nearest) for channel in whole), package)


def decide_labels(channels: Iterable[Array], package: MonaiBundlePackage) -> Labels:
    """Returns the value of each voxel (I, J, K), from one output after the other."""
    return DECISIONS[package.outcome.decision](
        zip(package.outcome.values, channels, strict=True), package.outcome
    )


def greatest(channels: Iterator[tuple[int, Array]], _: LabelRules) -> Labels:
    """Returns the value of the greatest output, the first if several are equal."""
    value, first = next(channels)
    best, labels = first.copy(), np.full(first.shape, value, np.uint8)
    for value, channel in channels:
        better = channel > best
        labels[better], best[better] = value, channel[better]
    return labels


def threshold(channels: Iterator[tuple[int, Array]], outcome: LabelRules) -> Labels:
    """Returns the value of the last output that reaches the threshold, else 0."""
    value, first = next(channels)
    labels = np.where(first >= outcome.threshold, value, 0).astype(np.uint8)
    for value, channel in channels:
        labels[channel >= outcome.threshold] = value
    return labels


# The values that `decision` of an outcome may have
DECISIONS: dict[str, Callable[[Iterator[tuple[int, Array]], LabelRules], Labels]] = {
    "greatest": greatest,
    "threshold": threshold,
}


def keep_largest(labels: Labels, value: int, connected: int) -> None:
    """Keeps of a value in `labels` the largest component, the last of equal ones, in place."""
    parts, sizes = components_of(labels == value, connected)
    if len(sizes) > 2:
        labels[(parts > 0) & (parts != np.argsort(sizes)[::-1][0])] = 0
