"""Measures CPU seconds of `osteon --help`, beside a cyclopts command line with a single command.

python -m benchmarks.start [--repeats 5]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

BARE = "from cyclopts import App; app = App(); app.command(lambda: 0, name='x'); app(['--help'])"
OURS = "from app.cli.commands import main; import sys; sys.argv = ['osteon', '--help']; main()"
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Prints the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    turns: dict[str, list[float]] = {BARE: [], OURS: []}
    for _ in range(repeats):
        for script, found in turns.items():
            found.append(processor_s(script))
    bare_s, ours_s = (statistics.median(turns[script]) for script in (BARE, OURS))
    print(f"osteon --help {ours_s:.2f} s, cyclopts alone {bare_s:.2f} s ({ours_s / bare_s:.2f})")


def processor_s(script: str) -> float:
    """Returns the CPU seconds of a process that runs the script."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
