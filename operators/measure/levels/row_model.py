"""The rows of bones that people have, as a Markov chain from the top down.

Regions end at different levels in different people, which gives one bone more or less. A state is what one
outlined bone is: a level, or two fused ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from operators.packages.levels import LevelRules

Array = NDArray[np.float64]
State = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RowModel:
    """States (S,) of one outlined bone, each one or two numbers of levels, and their log-probabilities.

    `start` (S,) is of the first bone in view, wherever the view begins, `steps` (S, S) and `steps_at_gap` of
    the next bone. `following` (levels, levels) is the probability of the next level, `ends` (S,) that the row
    ends. `regions` (levels,) is the region of each level, `usual` (levels,) its place among the levels that
    most people have; levels of few people lie half way between two.
    """

    rules: LevelRules
    states: tuple[State, ...]
    start: Array
    steps: Array
    steps_at_gap: Array
    following: Array
    ends: Array
    regions: NDArray[np.int_]
    usual: Array

    @property
    def firsts(self) -> list[int]:
        """The upper level of each state."""
        return [state[0] for state in self.states]

    @property
    def lasts(self) -> list[int]:
        """The lower level of each state."""
        return [state[-1] for state in self.states]


@cache
def row_model(rules: LevelRules) -> RowModel:
    """Returns the chain of a package's rules."""
    following, ends = following_levels(rules)
    pairs = [(int(a), int(b)) for a, b in np.argwhere(following > 0)]
    states: tuple[State, ...] = (*((n,) for n in range(len(following))), *pairs)
    chance = np.array([state_chance(state, following, rules) for state in states])
    firsts, lasts = [state[0] for state in states], [state[-1] for state in states]
    usual = usual_places(rules)
    with np.errstate(divide="ignore"):
        return RowModel(
            rules,
            states,
            np.log(reached(following)[firsts] * chance / len(following)),
            np.log(step_chances(following, states, chance, rules.missed, rules.doubled)),
            np.log(step_chances(following, states, chance, rules.missed_at_gap, rules.doubled)),
            following,
            ends[lasts],
            np.repeat(np.arange(len(rules.regions)), [len(region.levels) for region in rules.regions]),
            usual,
        )


def following_levels(rules: LevelRules) -> tuple[Array, Array]:
    """Returns the probability (levels, levels) of the level that follows each, and (levels,) of none."""
    count = len(rules.levels)
    following, ends, first = np.zeros((count, count)), np.zeros(count), 0
    for region in rules.regions:
        last = first + len(region.levels)
        left = 1.0
        shares = [0.0] * (len(region.levels) - len(region.ends)) + [each for each in region.ends]
        for level, share in zip(range(first, last), shares, strict=True):
            stops = 1.0 if level == last - 1 else share / left if left > 0 else 1.0
            left -= share
            if level < last - 1:
                following[level, level + 1] = 1 - stops
            if last < count:
                following[level, last] = stops
            else:
                ends[level] = stops
        first = last
    return following, ends


def reached(following: Array) -> Array:
    """Returns the share (levels,) of people who have each level."""
    share = np.zeros(len(following))
    share[0] = 1.0
    for level in range(len(following) - 1):
        share += share[level] * following[level]
    return share


def state_chance(state: State, following: Array, rules: LevelRules) -> float:
    """Returns the probability that a bone at a state's first level is that state."""
    if len(state) == 1:
        return 1 - rules.fused * float(following[state[0]].sum())
    return rules.fused * float(following[state])


def step_chances(
    following: Array, states: tuple[State, ...], chance: Array, missed: float, doubled: float
) -> Array:
    """Returns the probabilities (S, S) of the state of the next outlined bone."""
    firsts, lasts = [state[0] for state in states], [state[-1] for state in states]
    next_level = (1 - missed - doubled) * following + missed * (following @ following)
    steps: Array = next_level[np.ix_(lasts, firsts)] * chance
    single = [n for n, state in enumerate(states) if len(state) == 1]
    steps[single, single] += doubled
    return steps


def usual_places(rules: LevelRules) -> Array:
    """Returns the place (levels,) of each level in the row that most people have."""
    places, at = [], 0
    for region in rules.regions:
        usual = len(region.levels) - len(region.ends) + 1 + int(np.argmax(region.ends))
        places += [at + n if n < usual else at + usual - 0.5 for n in range(len(region.levels))]
        at += usual
    return np.array(places, np.float64)


def neighbours_of(usual: Array) -> tuple[list[int], list[int]]:
    """Returns the usual level above and below each level, -1 where there is none.

    Below the last usual one is that of few people, if there is one: so it is read if levels are shifted.
    """
    whole = {place: n for n, place in reversed(list(enumerate(usual.tolist()))) if place == int(place)}
    last = len(usual) - 1 if usual[-1] % 1 else -1
    above = [whole.get(float(np.ceil(place) - 1), -1) for place in usual.tolist()]
    below = [whole.get(float(np.floor(place) + 1), last if n < last else -1) for n, place in enumerate(usual)]
    return above, below


def is_regular(states: list[State]) -> bool:
    """Returns whether no two bones that follow one another are called the same."""
    return all(one != other for one, other in pairwise(states))
