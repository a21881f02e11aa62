"""Prints how well long bones of known shape are measured, and how often their side is decided right.

python -m benchmarks.long_bones DATA --structure NAME --part axes|sides [--step N]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.long_bones.axes import Axes, measure_axes
from benchmarks.long_bones.shapes import read_shapes
from benchmarks.long_bones.sides import decide_sides
from operators.packages.structures import read_structures
from operators.segmentation.measurements import HeadSphere, Measured


def main() -> None:
    """Measures all shapes of one structure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--structure", required=True)
    parser.add_argument("--part", choices=("axes", "sides"), required=True)
    parser.add_argument("--step", type=int, default=1, help="only every so many shapes")
    given = parser.parse_args()
    shapes = [shape for shape in read_shapes(given.data) if shape.structure == given.structure]
    shapes = shapes[:: given.step]
    structure = read_structures()[given.structure].structure(given.structure, None)
    rules = structure.long_bone
    if rules is None:
        parser.error(f"structures.toml has no [long_bone] of {given.structure}")
    elif given.part == "axes":
        print_axes(measure_axes(shapes, structure))
    else:
        counts: Counter[tuple[str, str]] = Counter()
        for each in decide_sides(shapes, rules):
            part = f"{each.part:14} rough {each.rough_mm:.0f} mm"
            words = f"{each.outcome:8} {each.left:7.4f} {each.misfit_mm:6.2f} mm"
            print(f"{each.name:32} {part} {words}", flush=True)
            counts[part, each.outcome] += 1
        for (part, outcome), count in sorted(counts.items()):
            print(f"{part} {outcome:8} {count:4}")


def print_axes(found: Iterable[Axes]) -> None:
    """Prints a line for each bone and view, and the errors of each view against the surface's own."""
    own: dict[str, dict[str, float]] = {}
    errors: dict[tuple[str, str], list[float]] = {}
    for each in found:
        values = values_of(each)
        words = (f"{name} {value:7.2f}" for name, value in values.items())
        print(f"{each.name:32} {each.view:8}", "  ".join(words), flush=True)
        # The surface is measured first
        true = own.setdefault(each.name, values)
        for name in values.keys() & true.keys():
            errors.setdefault((each.view, name), []).append(values[name] - true[name])
    for (view, name), off in sorted(errors.items()):
        spread = f"mean {np.mean(off):6.2f}  sd {np.std(off):5.2f}  worst {np.abs(off).max():5.2f}"
        print(f"{view:8} {name:10} n {len(off):3}  {spread}")


def values_of(axes: Axes) -> dict[str, float]:
    """Returns the numbers that could be measured."""
    radius = axes.head.radius_mm if isinstance(axes.head, HeadSphere) else None
    parts = {"radius_mm": radius, "angle_deg": axes.angle_deg, "length_mm": axes.length_mm}
    return {name: part.value for name, part in parts.items() if isinstance(part, Measured)}


if __name__ == "__main__":
    main()
