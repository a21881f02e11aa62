"""Measures CPU seconds until `osteon --help` is shown and `osteon run` is loaded, beside what they build on.

The peers are a cyclopts command line with a single command, and the libraries that run networks and write
DICOM. benchmarks/imports.py measures the imports of a whole run.

python -m benchmarks.start [--repeats 5]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

from training.command_line import run

CYCLOPTS = "from cyclopts import App; app = App(); app.command(lambda: 0, name='x'); app(['--help'])"
HELP = "from app.cli.commands import main; import sys; sys.argv = ['osteon', '--help']; main()"
LIBRARIES = "import openvino, highdicom, SimpleITK, monai.deploy.core"
RUN = (
    "import app.cli.commands, app.cli.run_outcome, operators.networks.registry, "
    "operators.results.image_kinds; from app.run.series_job import import_graph; import_graph()"
)
# Name and script of Osteon's, and of its peer
STARTS = (
    ("osteon --help", HELP, "cyclopts alone", CYCLOPTS),
    ("osteon run", RUN, "its libraries alone", LIBRARIES),
)
ROOT = Path(__file__).resolve().parent.parent


def main(*, repeats: int = 5) -> None:
    """Prints the medians and their ratios."""
    for name, script, peer, bare in STARTS:
        turns = [(processor_s(script), processor_s(bare)) for _ in range(repeats)]
        ours_s, bare_s = (statistics.median(each) for each in zip(*turns, strict=True))
        print(f"{name} {ours_s:.2f} s, {peer} {bare_s:.2f} s ({ours_s / bare_s:.2f})")


def processor_s(script: str) -> float:
    """Returns the CPU seconds of a process that runs the script."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    run(main, __doc__)
