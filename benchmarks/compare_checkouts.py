"""Compares metrics of this checkout with those of another one; both are measured in turns, pair by pair.

    git worktree add --detach ../before COMMIT
    python -m benchmarks.compare_checkouts --against ../before \
        --metric 'CPU ([0-9.]+) ms' -- benchmarks/node/receive_cost.py
    python -m benchmarks.compare_checkouts --against ../before \
        --metric "overhead ([0-9]+) ms" -- -m benchmarks.node.studies

The arguments after `--` are passed to Python in each checkout, whose modules it imports; a file is taken from
this checkout. The first group of each pattern is the metric.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from training.command_line import run

HERE = Path(__file__).resolve().parents[1]


def main(*program: str, against: Path, metric: list[str], pairs: int = 6) -> None:
    """Prints the medians, the median ratio of the pairs, and the range of the ratios."""
    other = against.resolve()
    found: list[tuple[list[float], list[float]]] = []
    for pair in range(pairs):
        # The order alternates, so that neither checkout always profits or suffers from running second
        order = (other, HERE) if pair % 2 == 0 else (HERE, other)
        values = {tree: measure(tree, program, metric) for tree in order}
        found.append((values[other], values[HERE]))
    for column, pattern in enumerate(metric):
        report(pattern, [(before[column], after[column]) for before, after in found])


def measure(tree: Path, program: Sequence[str], patterns: Sequence[str]) -> list[float]:
    """Returns the metrics of one run. Raises SystemExit with its output if one is missing."""
    own = [str(HERE / each) if (HERE / each).is_file() and each.endswith(".py") else each for each in program]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, *own], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    found = [re.search(pattern, done.stdout) for pattern in patterns]
    if done.returncode or not all(found):
        raise SystemExit(f"expected {patterns} from {program}, got:\n{done.stdout}{done.stderr}")
    return [float(match[1]) for match in found if match]


def report(pattern: str, pairs: list[tuple[float, float]]) -> None:
    """Prints the comparison of one metric."""
    before, after = (statistics.median(values) for values in zip(*pairs, strict=True))
    ratios = [now / then for then, now in pairs]
    print(
        f"{pattern}: {before:g} -> {after:g}, ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}, {len(pairs)} pairs)"
    )


if __name__ == "__main__":
    run(main, __doc__)
