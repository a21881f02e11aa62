"""The shipped networks on a patient whom training never saw.

    python -m benchmarks.accuracy --data DATA [--case 003] [--seed 7]

DATA/pelvis/CASE holds real fractured bones, masked; DATA/../tools/semi_real_ct.py sets them into a
made-up body and writes a DICOM series, which `osteon run` reads. Figures are those of `osteon
evaluate`, on the SEG that was written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Builds the series, runs the chain, evaluates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--case", default="003")
    parser.add_argument("--seed", default="7")
    parser.add_argument("--out", type=Path, default=Path("out/accuracy"))
    arguments = parser.parse_args()
    out = arguments.out / arguments.case
    truth = out / "truth.nii.gz"
    out.mkdir(parents=True, exist_ok=True)
    script = arguments.data.parent / "tools" / "semi_real_ct.py"
    case = arguments.data / "pelvis" / arguments.case
    call(
        [
            sys.executable,
            str(script),
            str(case),
            str(out / "ct"),
            "--seed",
            arguments.seed,
            "--labels",
            str(truth),
        ]
    )
    call([*OSTEON, "run", str(out / "ct"), "-o", str(out / "result")])
    call(
        [
            *OSTEON,
            "evaluate",
            str(out / "result" / "segmentation.dcm"),
            str(truth),
            "-o",
            str(out / "evaluation"),
        ]
    )


OSTEON = (sys.executable, "-c", "from app.cli import main; main()")


def call(command: list[str]) -> None:
    """Runs a command; its failure is ours."""
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
