"""Compares one radiograph in Osteon with nnU-Net v2's own predictor: seconds, memory.

    python -m benchmarks.networks.radiographs --models MODELS --peer PYTHON [--runs 5] [--threads 2]

A synthetic Digital X-Ray image of 3,000 x 2,500 pixels and 14 bits goes from its DICOM file to every result
of `osteon run` on disk. The peer reads the same image as PNG of 8 bits, resamples it to 224 x 224 pixels,
predicts with a network of the size that nnU-Net plans for such a patch and random weights, and writes the
labels at the image's own size. Each is a process of its own with its network loaded, and both use mirror
images. The first run of a process is listed separately, the others as medians. Then `osteon run` is started
as a process, so that its seconds include imports and loading.

MODELS is a folder with a package of radiographs. A copy of it is used whose decision outlines one finding
whatever the weights are, for without a finding there is no SEG to write; its block is nearly the whole image,
the most that one finding costs.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.accuracy.tables import markdown
from benchmarks.networks.synthetic_radiograph import picture, write_radiograph
from benchmarks.process_usage import OSTEON, ProcessUsage, run_checked
from tests.support.packages.synthetic_nnunet import Case, write_v2
from training.command_line import run

SHAPE, BITS = (3000, 2500), 14
PATCH = (224, 224)
# nnU-Net 2.8.1, ExperimentPlanner.get_plans_for_configuration: features from 32, doubled up to 512 in two
# dimensions, halving down to at least 4 pixels a side, two convolutions a stage
NETWORK = Case(
    "radiograph_2d",
    features=(32, 64, 128, 256, 512, 512),
    kernels=((3, 3),) * 6,
    strides=((1, 1), *((2, 2),) * 5),
    blocks=(2,) * 6,
    decoder_blocks=(2,) * 5,
    spacing=tuple(side / patch for side, patch in zip(SHAPE, PATCH, strict=True)),
    patch=PATCH,
    scheme="ZScoreNormalization",
    mirrored=(0, 1),
    labels={"background": 0, "fracture": 1},
)
# The whole map is then one part, and the probability of any finding is nearly 1
ONE_FINDING = {"outline_threshold": "1e-6", "finding": "[30.0, 0.1]"}
STAGES = ("read", "network", "write")
NO_PACKAGE = "expected a package of radiographs in {}, got none: nothing is measured"

Cost = dict[str, Any]


def main(
    *,
    models: Path = Path("models"),
    peer: Path | None = None,
    runs: int = 5,
    threads: int = 2,
    work: Path = Path("build/bench/radiographs"),
) -> None:
    """Runs Osteon and the peer, the python of an environment with nnunetv2, and prints a table."""
    if not radiograph_packages(models):
        print(NO_PACKAGE.format(models))
        return
    shutil.rmtree(work, ignore_errors=True)
    series = write_radiograph(work / "dx" / "1.dcm", SHAPE, BITS).parent
    copied = package_copy(models, work)
    common = ["--runs", str(runs + 1), "--threads", str(threads)]
    theirs = run_peer(peer, work, common) if peer else None
    own = [sys.executable, "-m", "benchmarks.networks.radiograph_run", str(series), str(work / "out")]
    ours = run_checked([*own, "--models", str(copied), *common], work).last_json()
    start = [*OSTEON, "run", str(series), "-o", str(work / "cold"), "--models", str(copied)]
    cold = run_checked(start, work)
    print(table(ours, theirs, cold))


def radiograph_packages(models: Path) -> list[Path]:
    """Returns the folders of packages whose kind is radiograph."""
    files = sorted(models.glob("*/package.toml"))
    return [file.parent for file in files if 'kind = "radiograph"' in file.read_text(encoding="utf-8")]


def package_copy(models: Path, work: Path) -> Path:
    """Returns a models folder with the first package of radiographs, whose decision gives one finding."""
    first, copied = radiograph_packages(models)[0], work / "models"
    shutil.copytree(first, copied / first.name)
    shutil.copy(models / "structures.toml", copied)
    file = copied / first.name / "package.toml"
    file.write_text(with_one_finding(file.read_text(encoding="utf-8")), encoding="utf-8")
    return copied


def with_one_finding(package: str) -> str:
    """Returns the text of a package.toml with the decision that always outlines one finding."""
    for name, value in ONE_FINDING.items():
        package = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", package)
    return package


def run_peer(peer: Path, work: Path, common: Sequence[str]) -> list[Cost]:
    """Returns the cost of each of the peer's runs."""
    path = work / "picture.png"
    Image.fromarray((picture(SHAPE, BITS) >> (BITS - 8)).astype(np.uint8)).save(path)
    folder = write_network(work / NETWORK.name)
    script = Path(__file__).parent / "nnunet_2d_peer.py"
    command = [str(peer), str(script), str(folder), str(path), str(work / "labels.png")]
    return run_checked([*command, *common], work).last_json()


def write_network(folder: Path) -> Path:
    """Writes nnU-Net's folder of the network, for pictures instead of volumes."""
    write_v2(NETWORK, folder)
    changes = {
        "plans.json": {"image_reader_writer": "NaturalImage2DIO"},
        "dataset.json": {"file_ending": ".png"},
    }
    for name, change in changes.items():
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(content | change), encoding="utf-8")
    return folder


def table(ours: Sequence[Cost], theirs: Sequence[Cost] | None, cold: ProcessUsage | None) -> str:
    """Returns the costs as Markdown: medians of all runs but the first, the first, the cold start.

    The ratio is of medians, the peer's to Osteon's.
    """
    heading = ("", *(f"{stage} s" for stage in STAGES), "seconds", "processor s", "peak MB", "times faster")
    medians = median_of(ours[1:])
    lines = [line("Osteon, networks loaded", medians), line("Osteon, first run", ours[0])]
    if theirs:
        peer = median_of(theirs[1:])
        ratio = peer["seconds"] / medians["seconds"]
        lines[0] = line("Osteon, networks loaded", medians, f"{ratio:.1f}")
        lines += [line("nnU-Net v2, network loaded", peer, "1"), line("nnU-Net v2, first run", theirs[0])]
    if cold:
        ends = ("", "", "", f"{cold.seconds:.2f}", "", f"{cold.peak_rss_mb:.0f}", "")
        lines.append(("`osteon run`, with start and loading", *ends))
    return markdown(heading, lines)


def median_of(runs: Sequence[Cost]) -> Cost:
    """Returns the median of each number, the highest peak, of several runs."""
    return {
        "seconds": statistics.median(run["seconds"] for run in runs),
        "processor_s": statistics.median(run["processor_s"] for run in runs),
        "peak_mb": max(run["peak_mb"] for run in runs),
        "stages": {name: statistics.median(run["stages"][name] for run in runs) for name in STAGES},
    }


def line(name: str, cost: Cost, ratio: str = "") -> tuple[str, ...]:
    """Returns one line of the table."""
    stages = (f"{cost['stages'][stage]:.2f}" for stage in STAGES)
    rest = f"{cost['seconds']:.2f}", f"{cost['processor_s']:.2f}", f"{cost['peak_mb']:.0f}", ratio
    return (name, *stages, *rest)


if __name__ == "__main__":
    run(main, __doc__)
