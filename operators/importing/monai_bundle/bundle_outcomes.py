"""Translates MONAI's transforms after the network: a table of the known ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from operators.importing.monai_bundle.bundle_transforms import Given, known, plain_value, require
from operators.importing.published import unsupported
from operators.packages.monai_bundle import LabelRules

# KeepLargestConnectedComponent without labels: it applies to all
EVERY = (-1,)
# A softmax after resampling changes no winner; a sigmoid there would have to come before the threshold
ORDERS = (
    ["Activations", "Invert", "AsDiscrete"],
    ["Activations", "AsDiscrete", "Invert"],
    ["Invert", "AsDiscrete"],
    ["AsDiscrete", "Invert"],
)


def outcome_of(transforms: list[Given], values: tuple[int, ...]) -> LabelRules:
    """Reads the steps after the network, which writes `values`. Raises ModelError for an unknown order."""
    outcome, seen = LabelRules(values, "none"), []
    for name, given in known(transforms, OUTCOMES):
        changed = OUTCOMES[name](given, outcome)
        if changed is not None:
            seen.append(name)
            outcome = changed
    order = [name for name in seen if name != "KeepLargestConnectedComponent"]
    if order not in ORDERS or seen[: len(order)] != order:
        unsupported(
            f"expected the post-processing in one of the orders {'; '.join(', '.join(o) for o in ORDERS)}, "
            f"then the largest component, got {', '.join(seen)}"
        )
    outcome = replace(outcome, decided_first=order.index("AsDiscrete") < order.index("Invert"))
    if outcome.decided_first and not outcome.nearest:
        unsupported("expected labels inverted to the nearest voxel, got interpolated ones")
    if outcome.largest and outcome.decision == "threshold" and len(values) > 1:
        unsupported("expected the largest component of labels, got that of regions")
    every = tuple(value for value in values if value)
    return replace(outcome, largest=every if outcome.largest == EVERY else outcome.largest)


def activations(given: Given, before: LabelRules) -> LabelRules:
    """Reads Activations."""
    said = require("Activations", given, sigmoid=False, softmax=False, other={None}, kind={None})
    if said["sigmoid"] and said["softmax"]:
        unsupported("Activations: expected sigmoid or softmax, got both")
    if said["sigmoid"]:
        return replace(before, activation="sigmoid")
    return replace(before, activation="softmax" if said["softmax"] else "none")


def invert(given: Given, before: LabelRules) -> LabelRules:
    """Reads Invert."""
    said = require(
        "Invert",
        given,
        transform=None,
        orig_keys=None,
        orig_meta_keys=None,
        nearest_interp=True,
        to_tensor={True, False},
        device=None,
        post_func={None},
        support_deprecated={True, False},
    )
    return replace(before, nearest=bool(said["nearest_interp"]))


def as_discrete(given: Given, before: LabelRules) -> LabelRules:
    """Reads AsDiscrete: the greatest output, or each that reaches a threshold."""
    said = require("AsDiscrete", given, argmax=False, threshold=None, to_onehot={None}, rounding={None})
    if bool(said["argmax"]) == (said["threshold"] is not None):
        unsupported("AsDiscrete: expected either argmax or a threshold")
    if said["argmax"]:
        return replace(before, decision="greatest")
    return replace(before, decision="threshold", threshold=float(plain_value(said["threshold"])))


def keep_largest(given: Given, before: LabelRules) -> LabelRules:
    """Reads KeepLargestConnectedComponent of each label separately."""
    said = require(
        "KeepLargestConnectedComponent",
        given,
        applied_labels=None,
        is_onehot={None, False},
        independent={True},
        connectivity=None,
        num_components={1},
    )
    labels = said["applied_labels"]
    each = EVERY if labels is None else tuple(labels) if isinstance(labels, list) else (labels,)
    return replace(before, largest=tuple(int(v) for v in each), connected=int(said["connectivity"] or 3))


def ignored(_: Given, __: LabelRules) -> None:
    """Ignores a transform that only writes or casts the result."""


OUTCOMES: dict[str, Callable[[Given, LabelRules], LabelRules | None]] = {
    "Activations": activations,
    "Invert": invert,
    "AsDiscrete": as_discrete,
    "KeepLargestConnectedComponent": keep_largest,
    "EnsureType": ignored,
    "ToTensor": ignored,
    "SaveImage": ignored,
}
