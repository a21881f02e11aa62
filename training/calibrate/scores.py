"""The scores of bones and faces whose ground truth is known, as decoding sees them."""

from __future__ import annotations

from math import inf

import numpy as np

from operators.fragments.dark_faces import decisive_odds
from operators.fragments.evidence import LeastOdds
from operators.fragments.fragments import split
from operators.fragments.watershed import fracture_logit, over_segmented
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import least_odds
from training.calibrate.decisions import KnownBone, truth_counts
from training.calibrate.reliability import Row, Scored, scored


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


def decisive_scores(bones: list[KnownBone], rules: FragmentRules, line: tuple[float, ...]) -> Scored:
    """Returns the log-odds by which each bone is shown as broken, and whether it is."""
    likely = least_odds(line)
    rows = []
    for number, bone in enumerate(bones):
        found = split(bone.evidence, rules, LeastOdds(likely, likely))
        rows.append((decisive_odds(found, bone.evidence), is_broken(bone, rules), number))
    return scored(rows)


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
