"""Measures CPU seconds of all imports of one `osteon run`, beside those of torch alone.

Imports that functions do in the middle of the run count, too. Run it twice: the first time, modules are
compiled.

python -m benchmarks.imports [--folder SERIES] [--package NAME]

The CT is a procedural one by default.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process_usage import run_checked
from benchmarks.start import ROOT, processor_s
from training.command_line import run
from training.phantoms import DEMO, write_series

# Writes its imports of 10 ms or more, the sum of all, the seconds of the process, and whether it loaded torch
CHILD = """
import json, sys, time
from benchmarks.import_clock import watch_imports
found = watch_imports()
from app.cli.commands import main
try:
    main()
finally:
    total, sum_s = time.process_time(), sum(each.seconds for each in found)
    long = [(each.name, each.asked_by, each.seconds) for each in found if each.seconds >= 0.01]
    print(json.dumps({"long": long, "imports": sum_s, "all": total, "torch": "torch" in sys.modules}))
"""


def main(*, folder: Path | None = None, package: str | None = None) -> None:
    """Runs a series in a folder, and prints its imports."""
    # An installed application is compiled once
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        series = folder or drawn_series(work / "ct")
        command = [sys.executable, "-c", CHILD, "run", str(series), "-o", str(work / "out")]
        command += ["--package", package] if package else []
        os.chdir(ROOT)
        show(run_checked(command, work).last_json(), processor_s("import torch") - processor_s("pass"))


def drawn_series(folder: Path) -> Path:
    """Writes a coarse procedural CT, so that the run is short."""
    write_series(DEMO.ct(np.random.default_rng(1), (2.0, 2.0, 2.5)).ct, folder)
    return folder


def show(found: dict[str, Any], torch_s: float) -> None:
    """Prints the imports and their sum."""
    for name, asked_by, seconds in found["long"]:
        print(f"{seconds:6.2f} s  {name}, imported by {asked_by}")
    loaded = "loaded" if found["torch"] else "not loaded"
    print(f"imports of osteon run {found['imports']:.2f} s of {found['all']:.2f} s, torch {loaded}")
    print(f"torch alone {torch_s:.2f} s ({found['imports'] / torch_s:.2f})")


if __name__ == "__main__":
    run(main, __doc__)
