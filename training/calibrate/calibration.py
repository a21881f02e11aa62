"""Fits the decoding and the probabilities of a trained package, and writes them into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from operators.fragments.dark_faces import decisive_odds
from operators.fragments.evidence import LeastOdds
from operators.fragments.fragments import split
from operators.fragments.watershed import fracture_logit, over_segmented
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage, FragmentRules
from operators.packages.confidence import DIGITS, LIKELY, Confidence, least_odds, stated_probability
from operators.packages.operating_points import SPECIFIC
from training.calibrate.decisions import (
    Decision,
    KnownBone,
    fit_decision,
    log_loss,
    mistakes,
    oracle_decisions,
    simulated_bones,
    truth_counts,
)
from training.calibrate.intact import intact_bones, masked_bones
from training.calibrate.operating_points import fit_operating_points
from training.calibrate.presence import Bodies, bones_present
from training.calibrate.reliability import FEWEST, Scored, cross_fitted, platt, reliability, scored
from training.calibrate.reliability_card import write_card
from training.export import inline_table, set_table, set_value
from training.progress import CALIBRATE, Tell, silent
from training.recipe import Recipe
from training.simulate.bone_patches import BoneSubject
from training.simulate.sources import Sources, phantom_of

MEANINGS = {"bone": "bone present", "fracture": "bone fractured", "contact": "contact is a fracture"}
Row = tuple[float, bool, int]


def calibrate(
    package_folder: Path,
    recipe: Recipe,
    data: Path,
    cache: Path,
    cases: int,
    seed: int,
    keep_decision: bool = False,
    keep_presence: bool = False,
    tell: Tell = silent,
) -> str:
    """Fits decision (unless `keep_decision`) and confidence of an installed package; returns a summary.

    The odds of a fracture are fitted on three fifths of the `cases`, and replace the package's odds where
    they predict the remaining cases better. Fracture probabilities are fitted on those remaining cases, which
    neither training nor the odds have seen in this form, and on real intact bones, which also bound the
    operating points. The probability that a bone is present is fitted on bodies, unless `keep_presence`.
    """
    to_fit = cases * 3 // 5
    package = read_coarse_to_fine_package(package_folder / PACKAGE_FILE)
    networks = Networks(Device())
    bones = Sources(recipe, data, cache, tell).bones()
    network, spec = networks.get(package.fracture), package.fracture
    fit = simulated_bones(np.random.default_rng([seed, 1]), bones, to_fit, spec, network)
    others = simulated_bones(np.random.default_rng([seed, 2]), bones, cases - to_fit, spec, network)
    held_out = with_progress(others, cases - to_fit, "odds", tell)
    rules, said = package.fragments, "fracture_logit kept as asked"
    if not keep_decision:
        rules, said = with_decision(
            package_folder, rules, with_progress(fit, to_fit, "the decision", tell), held_out
        )
    intact = real_intact_bones(package, networks, recipe, data, bones, tell)
    known = [*held_out, *intact]
    rows = fracture_rows(known, rules)
    fitted_on = f"{len(held_out)} simulated bones, {len(intact)} real intact bones"
    if not keep_presence:
        rows["bone"], shown = presence_rows(package, networks, recipe, data, seed, tell)
        fitted_on += f", {shown}"
    said_of_confidence = with_confidence(package_folder, rows, fitted_on)
    points = with_operating_points(package_folder, known, rules, len(held_out))
    return "\n".join([said, *said_of_confidence, *points])


def real_intact_bones(
    package: CoarseToFinePackage,
    networks: Networks,
    recipe: Recipe,
    data: Path,
    bones: list[BoneSubject],
    tell: Tell,
) -> list[KnownBone]:
    """Returns the bones of the recipe's CTs without a fracture, and the intact bones of its bone sets."""
    paths = [data / path for path in recipe.sources.calibration.intact]
    tell(CALIBRATE, None, f"real intact bones: {len(paths)} CTs, and the bone sets")
    return [*intact_bones(package, networks, paths), *masked_bones(package, networks, bones)]


def presence_rows(
    package: CoarseToFinePackage, networks: Networks, recipe: Recipe, data: Path, seed: int, tell: Tell
) -> tuple[list[Row], str]:
    """Returns the scores of bones that are found in bodies and other CTs, and what those are."""
    bodies, negatives = calibration_bodies(recipe, data)
    shown = (
        f"{bodies.count} procedural bodies, as many without bones, and "
        f"{len(negatives)} CTs without the anatomy"
    )
    tell(CALIBRATE, None, f"which bones are there: {shown}")
    return bones_present(package, networks, bodies, negatives, seed), shown


def with_progress(bones: Iterator[KnownBone], count: int, what: str, tell: Tell) -> list[KnownBone]:
    """Collects the bones and reports progress; fewer than `count` may come."""
    found = []
    for number, bone in enumerate(bones, start=1):
        tell(CALIBRATE, number / count, f"{what}: bone {number} of {count}")
        found.append(bone)
    return found


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
    """Returns every pair of pieces that merging meets in the bones."""
    return [decision for bone in bones for decision in oracle_decisions(bone, rules)]


def fracture_rows(bones: list[KnownBone], rules: FragmentRules) -> dict[str, list[Row]]:
    """Returns the scores of bones and of their faces as decoding with `rules` sees them.

    A bone's score is the highest log-odds at which decoding still parts it.
    """
    rows: dict[str, list[Row]] = {"fracture": [], "contact": []}
    for number, bone in enumerate(bones):
        odds = split(bone.evidence, rules, LeastOdds(inf, inf)).fractured
        rows["fracture"].append((odds, is_broken(bone, rules), number))
        rows["contact"].extend((odds, parted, number) for odds, parted in contacts_met(bone, rules))
    return rows


def is_broken(bone: KnownBone, rules: FragmentRules) -> bool:
    """Returns whether two of its fragments or more are large enough to be shown."""
    least = rules.minimum_mm3 / bone.evidence.spacing_mm**3
    return int((np.bincount(bone.truth)[1:] >= least).sum()) > 1


def contacts_met(bone: KnownBone, rules: FragmentRules) -> list[tuple[float, bool]]:
    """Returns the odds of every face that decoding decides on, and whether it is a fracture.

    Where a face is met again after its pieces grew, the last decision counts.
    """
    regions = over_segmented(bone.evidence, rules)
    of_truth = truth_counts(regions, bone.truth)
    met: dict[tuple[int, int], tuple[float, bool]] = {}

    def may_join(odds: float, a: int, b: int) -> bool:
        met[a, b] = odds, bool(of_truth[a].argmax() != of_truth[b].argmax())
        if odds < 0:
            of_truth[a] += of_truth[b]
        return odds < 0

    regions.merge(fracture_logit(rules, bone.evidence.spacing_mm), may_join)
    return list(met.values())


def with_confidence(package_folder: Path, rows: dict[str, list[Row]], fitted_on: str) -> list[str]:
    """Writes calibrations, diagram and section of the model card; returns a sentence for each calibration.

    Calibrations without rows stay as they are.
    """
    found = {name: scored(rows[name]) for name in MEANINGS if name in rows}
    lines = {name: platt(one) for name, one in found.items()}
    known = {name: one for name, one in found.items() if lines[name]}
    path = package_folder / PACKAGE_FILE
    before = read_coarse_to_fine_package(path).confidence
    fitted: dict[str, Any] = {**lines, "fitted_on": fitted_on}
    write_confidence(path, replace(before, **fitted))
    kept = {MEANINGS[name]: reliability(cross_fitted(one), one.true) for name, one in known.items()}
    write_card(package_folder, kept, fitted_on)
    return [f"{MEANINGS[name]}: {sentence(found[name], line)}" for name, line in lines.items()]


def with_operating_points(
    package_folder: Path, bones: list[KnownBone], rules: FragmentRules, simulated: int
) -> list[str]:
    """Writes the operating points if they can be fitted; returns a sentence for each.

    `bones` from number `simulated` on are real.
    """
    path = package_folder / PACKAGE_FILE
    before = read_coarse_to_fine_package(path).confidence
    line = before.of_fractures
    points = points_of(decisive_scores(bones, rules, line), line, simulated)
    write_confidence(path, replace(before, operating_points=points or before.operating_points))
    return [f"{name} operating point: {least:g}" for name, least in points.items()]


def write_confidence(path: Path, confidence: Confidence) -> None:
    """Writes the table [confidence] of a package without the calibrations that there are not."""
    table: dict[str, object] = {name: list(line) for name in MEANINGS if (line := getattr(confidence, name))}
    if confidence.operating_points:
        table["operating_points"] = inline_table(confidence.operating_points)
    set_table(path, "confidence", table | {"fitted_on": confidence.fitted_on})


def decisive_scores(bones: list[KnownBone], rules: FragmentRules, line: tuple[float, ...]) -> Scored:
    """Returns the log-odds by which each bone is shown as broken, and whether it is."""
    likely = least_odds(line)
    rows = []
    for number, bone in enumerate(bones):
        found = split(bone.evidence, rules, LeastOdds(likely, likely))
        rows.append((decisive_odds(found, bone.evidence), is_broken(bone, rules), number))
    return scored(rows)


def points_of(bones: Scored, line: tuple[float, ...], simulated: int) -> dict[str, float]:
    """Returns the operating points, none below LIKELY; bones from number `simulated` on are real.

    At the specific one every real intact bone stays whole. Empty without a calibration, or with too few
    broken or intact bones.
    """
    if not line or min(bones.true.sum(), (~bones.true).sum()) < FEWEST:
        return {}
    probabilities = np.array([stated_probability(line, score) for score in bones.scores], np.float64)
    points = fit_operating_points(probabilities, bones.true)
    real = (bones.case >= simulated) & ~bones.true
    above = float(probabilities[real].max(initial=0.0)) + 10**-DIGITS
    points[SPECIFIC] = max(points[SPECIFIC], above)
    return {name: round(max(least, LIKELY), DIGITS) for name, least in points.items()}


def sentence(found: Scored, line: tuple[float, ...]) -> str:
    """Returns a sentence on the cases that a probability was fitted to, or on why there is none."""
    cases = f"{int(found.true.sum())} true, {int((~found.true).sum())} false"
    return f"probability from {cases}" if line else f"too few cases ({cases}): no probability is given"


def calibration_bodies(recipe: Recipe, data: Path) -> tuple[Bodies, list[Path]]:
    """Returns the recipe's procedural bodies for calibration, and its CTs without the anatomy.

    Raises UsageError if the recipe asks for bodies but names no model.
    """
    table = recipe.sources.calibration
    bodies = Bodies(phantom_of(recipe), table.bodies) if table.bodies else Bodies()
    return bodies, [data / path for path in table.negatives]
