"""Where bones break: planes drawn from a bone's own form, so that every bone finds its own patterns.

A limb's shaft or a slender bar breaks across its narrow place, a flat bone lengthwise, a socket loses
a wall of its hollow, a body is sheared off along its flat face, a tendon tears off a tip.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.fracturing.shape import Shape, axes_of
from training.fracturing.surfaces import Plane, across, direction, unit

AROUND_MM = 20.0


def anywhere(rng: np.random.Generator, shape: Shape) -> Plane:
    """Any plane through any place."""
    return Plane(shape.inside[rng.integers(len(shape.inside))], direction(rng))


def across_narrow(rng: np.random.Generator, shape: Shape) -> Plane:
    """Across the bone where, of a dozen places, its cross-section is the least."""
    found: list[tuple[float, Plane]] = []
    for _ in range(12):
        point = shape.inside[rng.integers(len(shape.inside))]
        around = shape.near(point, AROUND_MM)
        _, axes = axes_of(around)
        height = (around - point) @ axes[0]
        # A place with bone on one side alone is a tip
        balance = min((height > 4).sum(), (height < -4).sum()) / len(around)
        section = (np.abs(height) < 2.5).sum() / max(balance, 0.02)
        middle = around[np.abs(height) < 2.5].mean(axis=0)
        found.append((section, Plane(middle, unit(axes[0] + 0.2 * rng.standard_normal(3)), local=True)))
    return min(found, key=lambda one: one[0])[1]


def lengthwise(rng: np.random.Generator, shape: Shape) -> Plane:
    """Along the bone's long axis, beside its middle."""
    centre, axes = axes_of(shape.inside)
    normal = unit(across(rng, axes[0]) + 0.1 * rng.standard_normal(3))
    reach = (shape.inside - centre) @ normal
    return Plane(centre + normal * rng.uniform(-1.3, 1.3) * reach.std(), normal)


def under_flat_face(rng: np.random.Generator, shape: Shape) -> Plane:
    """Parallel to the flattest of some faces, 4 to 15 mm under it."""
    found = []
    for point in shape.surface[rng.integers(len(shape.surface), size=12)]:
        beside = ((shape.surface - point) ** 2).sum(axis=1) < 10**2
        _, axes = axes_of(shape.surface[beside])
        outward = shape.normals[beside].mean(axis=0)
        normal = axes[2] if axes[2] @ outward > 0 else -axes[2]
        bumps = ((shape.surface[beside] - point) @ normal).std()
        # Across a thin plate both faces lie within reach: flat is where the normals agree as well
        found.append((bumps / max(float(outward @ normal), 0.05), point, normal))
    _, point, normal = min(found, key=lambda one: one[0])
    return Plane(point - normal * rng.uniform(4, 15), normal, local=True)


def wall_of_hollow(rng: np.random.Generator, shape: Shape) -> Plane:
    """Through a hollow face, about square to it, so that one of its walls comes off."""
    hollow = np.flatnonzero(shape.fullness >= np.quantile(shape.fullness, 0.85))
    place = rng.choice(hollow)
    outward = shape.normals[place]
    side = across(rng, outward)
    normal = unit(side + rng.uniform(-0.6, 0.6) * outward)
    return Plane(shape.surface[place] + side * rng.uniform(3, 18), normal, local=True)


def off_a_tip(rng: np.random.Generator, shape: Shape) -> Plane:
    """Across a pointed part, 6 to 20 mm from its end."""
    pointed = np.flatnonzero(shape.fullness <= np.quantile(shape.fullness, 0.08))
    tip = shape.surface[rng.choice(pointed)]
    outward = unit(tip - shape.near(tip, AROUND_MM).mean(axis=0))
    normal = unit(outward + 0.25 * rng.standard_normal(3))
    return Plane(tip - outward * rng.uniform(6, 20), normal, local=True)


# Shares of our own choosing: none so rare that a network would not meet it a hundred times a day
PATTERNS: dict[Callable[[np.random.Generator, Shape], Plane], float] = {
    anywhere: 0.28,
    across_narrow: 0.22,
    lengthwise: 0.15,
    under_flat_face: 0.1,
    wall_of_hollow: 0.13,
    off_a_tip: 0.12,
}


def draw_plane(rng: np.random.Generator, shape: Shape) -> Plane:
    """Returns a plane of one of the patterns."""
    pattern = list(PATTERNS)[rng.choice(len(PATTERNS), p=list(PATTERNS.values()))]
    return pattern(rng, shape)
