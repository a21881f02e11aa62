"""Fits the decoding and the probabilities of a trained package, and writes them into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage, FragmentRules
from operators.packages.confidence import Confidence
from training.calibrate.decisions import KnownBone, simulated_bones, with_decision
from training.calibrate.intact import intact_bones, masked_bones
from training.calibrate.operating_points import points_of
from training.calibrate.presence import bones_present, calibration_bodies
from training.calibrate.reliability import Row, Scored, cross_fitted, platt, reliability, scored
from training.calibrate.reliability_card import write_card
from training.calibrate.scores import decisive_scores, fracture_rows
from training.export import inline_table, set_table
from training.progress import CALIBRATE, Tell, silent
from training.recipe import Recipe
from training.simulate.bone_patches import BoneSubject
from training.simulate.sources import Sources

MEANINGS = {"bone": "bone present", "fracture": "bone fractured", "contact": "contact is a fracture"}


@dataclass(frozen=True)
class CalibrationRun:
    """What is calibrated, and on what.

    `cases` are simulated bones; `cache` holds loaded subjects. `keep_decision` and `keep_presence` leave out
    those parts of the fit.
    """

    package_folder: Path
    recipe: Recipe
    data: Path
    cache: Path
    cases: int = 100
    seed: int = 0
    keep_decision: bool = False
    keep_presence: bool = False
    tell: Tell = silent

    def calibrate(self) -> str:
        """Fits decision and confidence of an installed package; returns a summary.

        The odds of a fracture are fitted on three fifths of the cases, and replace the package's odds where
        they predict the remaining cases better. Fracture probabilities are fitted on those remaining cases,
        which neither training nor the odds have seen in this form, and on real intact bones, which also bound
        the operating points. The probability that a bone is present is fitted on bodies.
        """
        package = read_coarse_to_fine_package(self.package_folder / PACKAGE_FILE)
        networks = Networks(Device())
        bones = Sources(self.recipe, self.data, self.cache, self.tell).bones()
        to_fit, rules, said = self.cases * 3 // 5, package.fragments, "fracture_logit kept as asked"
        held_out = self.simulated(package, networks, bones, self.cases - to_fit, "odds", 2)
        if not self.keep_decision:
            fit = self.simulated(package, networks, bones, to_fit, "the decision", 1)
            rules, said = with_decision(self.package_folder, rules, fit, held_out)
        intact = self.real_intact_bones(package, networks, bones)
        known = [*held_out, *intact]
        rows = fracture_rows(known, rules)
        fitted_on = f"{len(held_out)} simulated bones, {len(intact)} real intact bones"
        if not self.keep_presence:
            rows["bone"], shown = self.presence_rows(package, networks)
            fitted_on += f", {shown}"
        said_of_confidence = with_confidence(self.package_folder, rows, fitted_on)
        points = with_operating_points(self.package_folder, known, rules, len(held_out))
        return "\n".join([said, *said_of_confidence, *points])

    def simulated(
        self,
        package: CoarseToFinePackage,
        networks: Networks,
        bones: list[BoneSubject],
        count: int,
        what: str,
        stream: int,
    ) -> list[KnownBone]:
        """Returns newly fractured bones, at most `count`, drawn from one stream of the seed."""
        rng, network = np.random.default_rng([self.seed, stream]), networks.get(package.fracture)
        found = []
        for number, bone in enumerate(simulated_bones(rng, bones, count, package.fracture, network), start=1):
            self.tell(CALIBRATE, number / count, f"{what}: bone {number} of {count}")
            found.append(bone)
        return found

    def real_intact_bones(
        self, package: CoarseToFinePackage, networks: Networks, bones: list[BoneSubject]
    ) -> list[KnownBone]:
        """Returns the bones of the recipe's CTs without a fracture, and the intact bones of its bone sets."""
        paths = [self.data / path for path in self.recipe.sources.calibration.intact]
        self.tell(CALIBRATE, None, f"real intact bones: {len(paths)} CTs, and the bone sets")
        return [*intact_bones(package, networks, paths), *masked_bones(package, networks, bones)]

    def presence_rows(self, package: CoarseToFinePackage, networks: Networks) -> tuple[list[Row], str]:
        """Returns the scores of bones that are found in bodies and other CTs, and what those are."""
        bodies, negatives = calibration_bodies(self.recipe, self.data)
        shown = (
            f"{bodies.count} procedural bodies, as many without bones, and "
            f"{len(negatives)} CTs without the anatomy"
        )
        self.tell(CALIBRATE, None, f"which bones are there: {shown}")
        return bones_present(package, networks, bodies, negatives, self.seed), shown


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
    """Writes operating points if they can be fitted; returns sentences. `bones` from `simulated` are real."""
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


def sentence(found: Scored, line: tuple[float, ...]) -> str:
    """Returns a sentence on the cases that a probability was fitted to, or on why there is none."""
    cases = f"{int(found.true.sum())} true, {int((~found.true).sum())} false"
    return f"probability from {cases}" if line else f"too few cases ({cases}): no probability is given"
