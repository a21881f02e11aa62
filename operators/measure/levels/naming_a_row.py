"""Joins the evidence on the bones of a row into one naming, with its probability and the runner-up.

The likeliest naming is the cheapest path through the chain of RowModel, as in VERIDAH (arXiv 2601.14066); its
probability is exact: the share of its path in the sum over all paths (forward algorithm). Evidence can be
shifted by one in the whole scan, so the sum is over the three shifts too, and no evidence of levels alone, of
however many bones, makes a naming surer than the share of scans that are not shifted. Ribs and the ends of
the row, which the image shows, do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from operators.measure.levels.row_model import Array, RowModel, State, is_regular, neighbours_of, row_model
from operators.packages.levels import LevelEvidence, LevelRules

# So many of the likeliest namings under each shift are compared
BEST = 4
# Least log-probability of a level: a network that excludes the true level must not exclude the true row
LEAST_LOG = -7.0
Path = tuple[int, ...]


@dataclass(frozen=True)
class Naming:
    """The likeliest naming of a row: one or two levels (names of structures) for each bone, from the top.

    `probability` is of the whole, `own` of each bone alone; the runner-up's likewise. `is_regular`: no two
    bones have the same name. `missed` are the numbers of bones below which one is missing in it.
    `contradiction` says how much likelier by its own evidence a bone is to be some other level, on average
    (natural logarithm): a naming can be the likeliest of all and still be wrong where the row is like none.
    """

    levels: tuple[tuple[str, ...], ...]
    probability: float
    own: tuple[float, ...]
    runner_up: tuple[tuple[str, ...], ...]
    runner_up_probability: float
    is_regular: bool
    missed: tuple[int, ...]
    contradiction: float


@lru_cache(maxsize=8)
def name_row(evidence: tuple[LevelEvidence, ...], rules: LevelRules) -> Naming:
    """Returns the likeliest naming of the bones of a row, given from the top down; there is at least one."""
    model = row_model(rules)
    shares = np.log([rules.shifted / 2, 1 - rules.shifted, rules.shifted / 2])
    given = [emissions(evidence, model, shift) for shift in (-1, 0, 1)]
    totals = [forward(evidence, model, each) for each in given]
    whole = logsumexp(shares + [logsumexp(each[-1]) for each in totals])
    paths = {path for each in given for path in best_paths(evidence, model, each)}
    scored = sorted(
        ((score(path, evidence, model, given, shares) - whole, path) for path in paths), reverse=True
    )
    (first, best), (second, other) = (*scored, (-np.inf, scored[0][1]))[:2]
    states = [model.states[n] for n in best]
    return Naming(
        names_of(states, rules),
        float(np.exp(min(first, 0.0))),
        tuple(own_probabilities(best, evidence, model, given, shares, totals, float(whole))),
        names_of([model.states[n] for n in other], rules),
        float(np.exp(second)),
        is_regular(states),
        tuple(skips(states, evidence, model)),
        min(contradiction(best, each) for each in given),
    )


def contradiction(path: Path, given: Array) -> float:
    """Returns how much less likely than its likeliest state the state of a bone in a path is, on average."""
    return float(np.mean(given.max(axis=1) - given[np.arange(len(path)), list(path)]))


def names_of(states: Sequence[State], rules: LevelRules) -> tuple[tuple[str, ...], ...]:
    """Returns the levels of each bone by the names of their structures."""
    return tuple(tuple(rules.levels[level] for level in state) for state in states)


def skips(states: Sequence[State], evidence: Sequence[LevelEvidence], model: RowModel) -> list[int]:
    """Returns the numbers of bones below which it is likelier that one is missing than that none is."""
    rules, found = model.rules, []
    for number, (one, other) in enumerate(pairwise(states)):
        missed = rules.missed_at_gap if evidence[number].gap_below else rules.missed
        between = missed * float(model.following[one[-1]] @ model.following[:, other[0]])
        if between > (1 - missed - rules.doubled) * model.following[one[-1], other[0]]:
            found.append(number)
    return found


def emissions(evidence: Sequence[LevelEvidence], model: RowModel, shift: int) -> Array:
    """Returns the log-likelihood (bones, S) of each bone's evidence, if levels are shifted by so much."""
    above, below = neighbours_of(model.usual)
    read = {-1: above, 0: list(range(len(above))), 1: below}[shift]
    ribs = np.log([model.rules.regions[n].ribs for n in model.regions])
    none = np.log1p(-np.exp(ribs))
    return np.array([states_of(level_likelihoods(each, model, read, ribs, none), model) for each in evidence])


def level_likelihoods(
    each: LevelEvidence, model: RowModel, read: Sequence[int], ribs: Array, none: Array
) -> Array:
    """Returns the log-likelihood (levels,) of one bone's evidence; `read` is which level is read for each."""
    levels = np.maximum(np.append(np.array(each.levels), LEAST_LOG), LEAST_LOG)[list(read)]
    if each.regions:
        regions = np.maximum(np.array(each.regions), LEAST_LOG)[model.regions]
        levels = levels + np.append(regions, LEAST_LOG)[list(read)]
    levels = levels * model.rules.weight * (model.rules.partial_weight if each.is_partial else 1.0)
    if each.ribs is None:
        return levels
    yes, no = -np.logaddexp(0, -each.ribs), -np.logaddexp(0, each.ribs)
    return levels + np.logaddexp(ribs + yes, none + no)


def states_of(levels: Array, model: RowModel) -> Array:
    """Returns the log-likelihood (S,) of states from that of levels; a fused bone looks like either."""
    first, last = levels[model.firsts], levels[model.lasts]
    return np.asarray(np.logaddexp(first, last) - np.log(2), np.float64)


def beginning(evidence: Sequence[LevelEvidence], model: RowModel) -> Array:
    """Returns the log-probability (S,) of the first bone in view."""
    if not evidence[0].is_first:
        return model.start
    wrong = model.rules.wrong_end
    return model.start + np.log([1 - wrong if first == 0 else wrong for first in model.firsts])


def ending(evidence: Sequence[LevelEvidence], model: RowModel) -> Array:
    """Returns the log-probability (S,) of what is seen below the last bone in view."""
    if not evidence[-1].is_last:
        return np.zeros(len(model.states))
    wrong = model.rules.wrong_end
    return np.asarray(np.log(model.ends * (1 - wrong) + (1 - model.ends) * wrong), np.float64)


def steps_below(each: LevelEvidence, model: RowModel) -> Array:
    """Returns the log-probabilities (S, S) of the bone below one."""
    return model.steps_at_gap if each.gap_below else model.steps


def forward(evidence: Sequence[LevelEvidence], model: RowModel, given: Array) -> list[Array]:
    """Returns the log of the summed probability (S,) of all paths to each bone; the last includes the end."""
    sums = [beginning(evidence, model) + given[0]]
    for number in range(1, len(evidence)):
        steps = steps_below(evidence[number - 1], model)
        sums.append(logsumexp(sums[-1][:, None] + steps, axis=0) + given[number])
    sums[-1] = sums[-1] + ending(evidence, model)
    return sums


def backward(evidence: Sequence[LevelEvidence], model: RowModel, given: Array) -> list[Array]:
    """Returns the log of the summed probability (S,) of all paths from each bone on, itself left out."""
    sums = [ending(evidence, model)]
    for number in range(len(evidence) - 1, 0, -1):
        steps = steps_below(evidence[number - 1], model)
        sums.append(logsumexp(steps + (given[number] + sums[-1])[None], axis=1))
    return sums[::-1]


def own_probabilities(
    path: Path,
    evidence: Sequence[LevelEvidence],
    model: RowModel,
    given: Sequence[Array],
    shares: Array,
    totals: Sequence[Sequence[Array]],
    whole: float,
) -> list[float]:
    """Returns the probability of each bone's state in a naming, whatever the others are."""
    after = [backward(evidence, model, each) for each in given]
    found = []
    for number, state in enumerate(path):
        # The forward sums of the last bone hold the end already
        rest = [0.0 if number == len(path) - 1 else each[number][state] for each in after]
        parts = [total[number][state] + more for total, more in zip(totals, rest, strict=True)]
        found.append(float(np.exp(min(logsumexp(shares + np.array(parts)) - whole, 0.0))))
    return found


def score(
    path: Path, evidence: Sequence[LevelEvidence], model: RowModel, given: Sequence[Array], shares: Array
) -> float:
    """Returns the log-probability of a path together with the evidence, over all shifts."""
    prior = beginning(evidence, model)[path[0]] + ending(evidence, model)[path[-1]]
    for number, (one, other) in enumerate(pairwise(path)):
        prior += steps_below(evidence[number], model)[one, other]
    bones = np.arange(len(path))
    return float(prior + logsumexp(shares + np.array([each[bones, list(path)].sum() for each in given])))


def best_paths(evidence: Sequence[LevelEvidence], model: RowModel, given: Array) -> list[Path]:
    """Returns the likeliest paths, the likeliest first (list Viterbi)."""
    scores = np.full((len(model.states), BEST), -np.inf)
    scores[:, 0] = beginning(evidence, model) + given[0]
    back = []
    for number in range(1, len(evidence)):
        steps = steps_below(evidence[number - 1], model)
        ways = (scores[:, :, None] + steps[:, None]).reshape(-1, len(model.states))
        order = np.argpartition(-ways, BEST, axis=0)[:BEST]
        scores = np.take_along_axis(ways, order, axis=0).T + given[number][:, None]
        back.append(order.T)
    flat = (scores + ending(evidence, model)[:, None]).ravel()
    ends = [int(n) for n in np.argsort(-flat)[:BEST] if np.isfinite(flat[n])]
    return [traced(end, back) for end in ends]


def traced(end: int, back: Sequence[NDArray[np.intp]]) -> Path:
    """Returns the path that ends at a place of the list Viterbi."""
    state, rank = divmod(end, BEST)
    path = [state]
    for order in reversed(back):
        state, rank = divmod(int(order[state, rank]), BEST)
        path.append(state)
    return tuple(reversed(path))
