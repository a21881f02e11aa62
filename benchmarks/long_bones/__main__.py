"""Prints how well long bones of known shape are measured, and how often their side is decided right.

python -m benchmarks.long_bones DATA --structure NAME --part axes|sides [--step N]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.long_bones.axes import Axes, measure_axes
from benchmarks.long_bones.shapes import read_shapes
from benchmarks.long_bones.sides import decide_sides
from operators.errors import UsageError
from operators.packages.structures import read_structures
from operators.segmentation.measurements import HeadSphere, Measured
from training.command_line import run


def main(data: Path, /, *, structure: str, part: Literal["axes", "sides"], step: int = 1) -> None:
    """Measures all shapes of one structure, or only every so many."""
    shapes = [shape for shape in read_shapes(data) if shape.structure == structure][::step]
    found = read_structures()[structure].structure(structure, None)
    rules = found.long_bone
    if rules is None:
        raise UsageError(f"expected a structure with a [long_bone] in structures.toml, got {structure}")
    if part == "axes":
        print_axes(measure_axes(shapes, found))
    else:
        counts: Counter[tuple[str, str]] = Counter()
        for each in decide_sides(shapes, rules):
            view = f"{each.part:14} rough {each.rough_mm:.0f} mm"
            words = f"{each.outcome:8} {each.left:7.4f} {each.misfit_mm:6.2f} mm"
            print(f"{each.name:32} {view} {words}", flush=True)
            counts[view, each.outcome] += 1
        for (view, outcome), count in sorted(counts.items()):
            print(f"{view} {outcome:8} {count:4}")


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
    run(main, __doc__)
