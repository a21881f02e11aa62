"""When two pieces of a bone are parted by a fracture: fitted on simulated bones, written into a package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from operators.imaging.fragments import FractureEvidence, face_features, over_segmented
from operators.imaging.package_file import PACKAGE_FILE, read_fracture_package
from operators.imaging.packages import FragmentRules, NetworkSpec
from operators.imaging.regions import Regions
from operators.networks.runtimes import Device, Runtime, load_network
from operators.networks.sliding_window import Window, predict
from training.bone_patches import BoneSubject, fractured_bone, scanned
from training.export import set_value
from training.fracturing import FractureRules
from training.recipe import Recipe
from training.sampling import Pose
from training.sources import Sources

PATCH = (144, 112, 144)
# Weak pull towards 0, so that a separable set has a finite answer
RIDGE = 1e-2
Features = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decision:
    """One pair of pieces: what is known of their face, and whether a fracture truly lies between."""

    features: tuple[float, float, float]
    fracture: bool


def calibrate(package_folder: Path, recipe: Recipe, data: Path, cache: Path, cases: int, seed: int) -> str:
    """Fits the package's fragments.fracture_logit to its installed fracture network; says what was found."""
    package = read_fracture_package(package_folder / PACKAGE_FILE)
    network = load_network(package.fracture, Device())
    bones = Sources(recipe, data, cache).bones()
    rng = np.random.default_rng([seed, 1])
    decisions = list(decisions_of(rng, bones, cases, package.fracture, network, package.fragments))
    logit = fitted(decisions)
    text = ", ".join(f"{factor:.2f}" for factor in logit)
    set_value(package_folder / PACKAGE_FILE, "fragments", "fracture_logit", f"[{text}]")
    missed, false = mistakes(decisions, logit)
    return f"fracture_logit [{text}] from {len(decisions)} faces: {missed} fractures missed, {false} false"


def mistakes(decisions: list[Decision], logit: tuple[float, float, float, float]) -> tuple[int, int]:
    """How many fractures the fitted odds miss, and how many they see where there is none."""
    seen = [logit[0] + float(np.dot(logit[1:], decision.features)) > 0 for decision in decisions]
    pairs = [(decision.fracture, found) for decision, found in zip(decisions, seen, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))


def fitted(decisions: list[Decision]) -> tuple[float, float, float, float]:
    """The constant and the factors of FragmentRules.fracture_logit, by logistic regression."""
    x = np.array([(1.0, *decision.features) for decision in decisions])
    sign = np.array([1.0 if decision.fracture else -1.0 for decision in decisions])
    if abs(sign.sum()) == len(sign):
        raise ValueError("expected fractures and faces that are none, got one of the two alone")

    def loss(weights: Features) -> float:
        penalty = RIDGE * float(weights[1:] @ weights[1:])
        return float(np.logaddexp(0, -sign * (x @ weights)).mean()) + penalty / len(sign)

    found = optimize.minimize(loss, np.array([-5.0, 10.0, 0.0, 0.0]), method="BFGS").x
    return float(found[0]), float(found[1]), float(found[2]), float(found[3])


def decisions_of(
    rng: np.random.Generator, bones: list[BoneSubject], cases: int, spec: NetworkSpec, network: Runtime,
    rules: FragmentRules,
) -> Iterator[Decision]:
    """The pairs that merging meets on `cases` simulated bones, read by the network that is to be used."""
    for _ in range(cases):
        bone = bones[int(rng.integers(len(bones)))]
        yield from decisions_on(rng, bone, spec, network, rules)


def decisions_on(
    rng: np.random.Generator, bone: BoneSubject, spec: NetworkSpec, network: Runtime, rules: FragmentRules
) -> list[Decision]:
    """The pairs of one bone, fractured anew."""
    spacing_mm = spec.spacing_mm[0]
    pose = Pose(rotation_deg=25, scale=0.15, bend_mm=6)
    broken = fractured_bone(rng, bone, PATCH, spacing_mm, pose, FractureRules())
    sample = scanned(rng, broken, spacing_mm)
    outline = outlined(rng, sample.target > 0)
    if not outline.any():
        return []
    classes = predict(network, sample.hu, spec, Window(), outline)
    evidence = FractureEvidence(outline, np.zeros_like(outline), classes[1], classes[2], spacing_mm)
    truth = nearest_fragment(broken.fragments)[outline]
    return with_oracle(over_segmented(evidence, rules), truth, spacing_mm)


def outlined(rng: np.random.Generator, bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
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


def with_oracle(regions: Regions, truth: NDArray[np.uint8], spacing_mm: float) -> list[Decision]:
    """Merges by the least contact first, but never across a true fracture; notes every decision.

    A fracture that is met again, after its pieces grew, is noted as it was met last.
    """
    region = regions.of_voxels()
    most = {one: int(np.bincount(truth[region == one]).argmax()) for one in regions.sizes}
    met: dict[tuple[int, int], Decision] = {}

    def may_join(_: float, a: int, b: int) -> bool:
        smaller = min(regions.sizes[a], regions.sizes[b])
        features = face_features(regions.faces[a][b], smaller, spacing_mm)
        met[a, b] = Decision(features, most[a] != most[b])
        return most[a] == most[b]

    regions.merge(lambda face, _: face.mean, may_join)
    return list(met.values())
