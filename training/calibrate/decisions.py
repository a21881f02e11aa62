"""Fits the odds that a fracture separates two pieces of a bone, on pairs met in simulated bones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from operators.fragments.evidence import FractureEvidence
from operators.fragments.region_graph import Regions
from operators.fragments.watershed import face_features, over_segmented
from operators.networks.runtimes import Runtime
from operators.networks.windows.sliding_window import Window, predict
from operators.package_files.package_reader import PACKAGE_FILE
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.packages import NetworkSpec
from operators.pipelines.coarse_to_fine import CONTACT
from training.export import set_value
from training.fracturing import FractureRules
from training.fracturing.bone import with_nearest
from training.simulate.bone_patches import BONE_POSE, BoneSubject, fractured_bone, scanned

# Half of the bones are intact, as in the three patients at hand (five of nine)
ODDS_RULES = FractureRules(intact=0.5)
# Holds most of the largest bone
EXTENT_MM = (172.8, 134.4, 172.8)
# Prior of each coefficient: normal about 0, standard deviation 1 for a feature of standard deviation 1. A few
# dozen faces outweigh it, and a separable set still has a finite solution.
RIDGE = 1.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KnownBone:
    """The network's output for a bone, and the true fragment (N,) of each voxel of its outline."""

    evidence: FractureEvidence
    truth: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Decision:
    """One pair of pieces: features of the face between them, and whether it truly is a fracture."""

    features: tuple[float, ...]
    fracture: bool


def simulated_bones(
    rng: np.random.Generator, bones: list[BoneSubject], cases: int, spec: NetworkSpec, network: Runtime
) -> Iterator[KnownBone]:
    """Yields up to `cases` newly fractured bones with the network's output; skips those outside the patch."""
    for _ in range(cases):
        bone = bones[int(rng.integers(len(bones)))]
        made = simulated_bone(rng, bone, spec, network)
        if made is not None:
            yield made


def simulated_bone(
    rng: np.random.Generator, bone: BoneSubject, spec: NetworkSpec, network: Runtime
) -> KnownBone | None:
    """Fractures one bone anew and runs the network on it; returns None if its outline is empty."""
    spacing_mm = spec.spacing_mm[0]
    shape = tuple(round(extent / spacing_mm) for extent in EXTENT_MM)
    broken = fractured_bone(rng, bone, shape, spacing_mm, BONE_POSE, ODDS_RULES)
    sample = scanned(rng, broken, spacing_mm)
    outline = outline_simulated(rng, sample.target > 0)
    if not outline.any():
        return None
    (contact,) = predict(network, sample.hu, spec, Window(), outline, keep=(CONTACT,))
    evidence = FractureEvidence(outline, np.zeros_like(outline), contact, sample.hu, spacing_mm)
    return KnownBone(evidence, with_nearest(broken.fragments, outline)[outline])


def outline_simulated(rng: np.random.Generator, bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the bone as an anatomy network outlines it: smooth, gaps closed, a bit too large or small."""
    soft = ndimage.gaussian_filter(ndimage.binary_closing(bone, iterations=1).astype(np.float32), 0.7)
    return soft > rng.uniform(0.35, 0.65)


def with_oracle(regions: Regions, truth: NDArray[np.uint8], spacing_mm: float) -> list[Decision]:
    """Merges regions, weakest contact first, but never across a true fracture; returns every decision.

    Where a fracture is met again after its pieces grew, the last decision counts.
    """
    most = truth_counts(regions, truth).argmax(axis=1)
    met: dict[tuple[int, int], Decision] = {}

    def may_join(_: float, a: int, b: int) -> bool:
        smaller = min(regions.sizes[a], regions.sizes[b])
        features = face_features(regions.faces[a][b], smaller, spacing_mm)
        met[a, b] = Decision(features, bool(most[a] != most[b]))
        return bool(most[a] == most[b])

    regions.merge(lambda face, _: face.mean, may_join)
    return list(met.values())


def truth_counts(regions: Regions, truth: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Counts the voxels of each true fragment (column) in each region (row)."""
    counts = np.zeros((len(regions.joined), int(truth.max()) + 1), np.int64)
    np.add.at(counts, (regions.of_voxels(), truth), 1)
    return counts


def fit_decision(decisions: list[Decision]) -> tuple[float, ...]:
    """Fits constant and coefficients of FragmentRules.fracture_logit by logistic regression with a ridge.

    Raises ValueError unless there are both fractures and other faces.
    """
    x = np.array([decision.features for decision in decisions])
    sign = np.array([1.0 if decision.fracture else -1.0 for decision in decisions])
    if abs(sign.sum()) == len(sign):
        raise ValueError("expected faces that are fractures and faces that are not, got only one kind")
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = np.column_stack([np.ones(len(x)), (x - middle) / spread])

    def loss(weights: Floats) -> float:
        penalty = RIDGE / 2 * float(weights[1:] @ weights[1:])
        return float(np.logaddexp(0, -sign * (z @ weights)).sum()) + penalty

    found = optimize.minimize(loss, np.zeros(z.shape[1]), method="BFGS").x
    factors = found[1:] / spread
    return (float(found[0] - factors @ middle), *factors.tolist())


def mistakes(decisions: list[Decision], logit: tuple[float, ...]) -> tuple[int, int]:
    """Counts the fractures that the fitted odds miss, and the faces that they take for fractures."""
    seen = [logit[0] + float(np.dot(logit[1:], decision.features)) > 0 for decision in decisions]
    pairs = [(decision.fracture, found) for decision, found in zip(decisions, seen, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))


def log_loss(decisions: list[Decision], logit: tuple[float, ...]) -> float:
    """Returns the mean negative log likelihood of the truth; 0.69 if every probability is one half."""
    odds = np.array([logit[0] + float(np.dot(logit[1:], decision.features)) for decision in decisions])
    sign = np.array([1.0 if decision.fracture else -1.0 for decision in decisions])
    return float(np.logaddexp(0, -sign * odds).mean())


def with_decision(
    package_folder: Path, rules: FragmentRules, bones: list[KnownBone], held_out: list[KnownBone]
) -> tuple[FragmentRules, str]:
    """Returns the rules with the better odds, and a summary; newly fitted odds go into the package."""
    decisions, unseen = decisions_of(bones, rules), decisions_of(held_out, rules)
    if len({decision.fracture for decision in decisions}) < 2:
        return rules, f"fracture_logit kept: {len(decisions)} faces, all of them fractures or none"
    logit = tuple(round(factor, 2) for factor in fit_decision(decisions))
    before, after = (log_loss(unseen, one) if unseen else 0.0 for one in (rules.fracture_logit, logit))
    compared = f"log loss {after:.3f} on {len(unseen)} faces of other bones, {before:.3f} with the old odds"
    if before < after:
        return rules, f"fracture_logit kept: {compared}"
    text = ", ".join(f"{factor:.2f}" for factor in logit)
    set_value(package_folder / PACKAGE_FILE, "fragments", "fracture_logit", list(logit))
    missed, false = mistakes(decisions, logit)
    said = f"fracture_logit [{text}] from {len(decisions)} faces: {missed} fractures missed, {false} false"
    if not missed + false:
        said += "; warning: the faces are separated without a mistake, only the ridge bounds the odds"
    return replace(rules, fracture_logit=logit), f"{said}; {compared}"


def decisions_of(bones: list[KnownBone], rules: FragmentRules) -> list[Decision]:
    """Returns the pairs met in bones when the weakest contact merges first and true fractures stay."""
    return [
        decision
        for bone in bones
        for decision in with_oracle(
            over_segmented(bone.evidence, rules), bone.truth, bone.evidence.spacing_mm
        )
    ]
