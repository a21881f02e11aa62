"""Whether a fracture parts two pieces of a bone: pairs met on simulated bones, and odds fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from operators.fragments.evidence import FractureEvidence
from operators.fragments.region_graph import Regions
from operators.fragments.watershed import face_features, over_segmented
from operators.networks.runtimes import Runtime
from operators.networks.windows.sliding_window import Window, predict
from operators.packages.packages import FragmentRules, NetworkSpec
from operators.pipelines.coarse_to_fine import CONTACT
from training.fracturing import FractureRules
from training.simulate.bone_patches import BONE_POSE, BoneSubject, fractured_bone, scanned

# Odds are fitted where half of the bones are intact, as of the three patients at hand: of nine, five are
ODDS_RULES = FractureRules(intact=0.5)
# Most of the largest bone
EXTENT_MM = (172.8, 134.4, 172.8)
# A factor's prior: normal about 0 with a spread of 1 for a feature of spread 1, so that a few dozen faces
# move it, and a separable set has a finite answer
RIDGE = 1.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedBone:
    """The network's output for a simulated bone, and the true fragment (N,) of each voxel of its outline."""

    evidence: FractureEvidence
    truth: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Decision:
    """One pair of pieces: what is known of their face, and whether a fracture truly lies between."""

    features: tuple[float, ...]
    fracture: bool


def simulated_bones(
    rng: np.random.Generator, bones: list[BoneSubject], cases: int, spec: NetworkSpec, network: Runtime
) -> Iterator[SimulatedBone]:
    """`cases` bones fractured anew, read by the network that is to be used; less those out of the patch."""
    for _ in range(cases):
        bone = bones[int(rng.integers(len(bones)))]
        made = simulated_bone(rng, bone, spec, network)
        if made is not None:
            yield made


def simulated_bone(
    rng: np.random.Generator, bone: BoneSubject, spec: NetworkSpec, network: Runtime
) -> SimulatedBone | None:
    """One bone fractured anew; None where its outline is empty."""
    spacing_mm = spec.spacing_mm[0]
    shape = tuple(round(extent / spacing_mm) for extent in EXTENT_MM)
    broken = fractured_bone(rng, bone, shape, spacing_mm, BONE_POSE, ODDS_RULES)
    sample = scanned(rng, broken, spacing_mm)
    outline = outline_simulated(rng, sample.target > 0)
    if not outline.any():
        return None
    (contact,) = predict(network, sample.hu, spec, Window(), outline, keep=(CONTACT,))
    evidence = FractureEvidence(outline, np.zeros_like(outline), contact, spacing_mm)
    return SimulatedBone(evidence, nearest_fragment(broken.fragments)[outline])


def outline_simulated(rng: np.random.Generator, bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The bone as an anatomy network outlines it: smooth, gaps closed, a little too large or too small."""
    soft = ndimage.gaussian_filter(ndimage.binary_closing(bone, iterations=1).astype(np.float32), 0.7)
    outline: NDArray[np.bool_] = soft > rng.uniform(0.35, 0.65)
    return outline


def nearest_fragment(fragments: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """For every voxel the fragment that lies nearest."""
    if not fragments.any():
        return fragments
    nearest = ndimage.distance_transform_edt(fragments == 0, return_distances=False, return_indices=True)
    return fragments[tuple(nearest)]


def oracle_decisions(bone: SimulatedBone, rules: FragmentRules) -> list[Decision]:
    """The pairs of one bone, met when the least contact merges first and true fractures stay."""
    return with_oracle(over_segmented(bone.evidence, rules), bone.truth, bone.evidence.spacing_mm)


def with_oracle(regions: Regions, truth: NDArray[np.uint8], spacing_mm: float) -> list[Decision]:
    """Merges by the least contact first, but never across a true fracture; notes every decision.

    A fracture that is met again, after its pieces grew, is noted as it was met last.
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
    """How many voxels each region (row) has of each true fragment (column)."""
    counts = np.zeros((len(regions.joined), int(truth.max()) + 1), np.int64)
    np.add.at(counts, (regions.of_voxels(), truth), 1)
    return counts


def fit_decision(decisions: list[Decision]) -> tuple[float, ...]:
    """The constant and the factors of FragmentRules.fracture_logit, by logistic regression with a ridge.

    Raises ValueError where there are no fractures, or nothing else.
    """
    x = np.array([decision.features for decision in decisions])
    sign = np.array([1.0 if decision.fracture else -1.0 for decision in decisions])
    if abs(sign.sum()) == len(sign):
        raise ValueError("expected fractures and faces that are none, got one of the two alone")
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = np.column_stack([np.ones(len(x)), (x - middle) / spread])

    def loss(weights: Floats) -> float:
        penalty = RIDGE / 2 * float(weights[1:] @ weights[1:])
        return float(np.logaddexp(0, -sign * (z @ weights)).sum()) + penalty

    found = optimize.minimize(loss, np.zeros(z.shape[1]), method="BFGS").x
    factors = found[1:] / spread
    return (float(found[0] - factors @ middle), *factors.tolist())


def mistakes(decisions: list[Decision], logit: tuple[float, ...]) -> tuple[int, int]:
    """How many fractures the fitted odds miss, and how many they see where there is none."""
    seen = [logit[0] + float(np.dot(logit[1:], decision.features)) > 0 for decision in decisions]
    pairs = [(decision.fracture, found) for decision, found in zip(decisions, seen, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))


def log_loss(decisions: list[Decision], logit: tuple[float, ...]) -> float:
    """The mean of -log(probability given to what is so); 0.69 for an even chance throughout."""
    odds = np.array([logit[0] + float(np.dot(logit[1:], decision.features)) for decision in decisions])
    sign = np.array([1.0 if decision.fracture else -1.0 for decision in decisions])
    return float(np.logaddexp(0, -sign * odds).mean())
