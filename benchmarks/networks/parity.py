"""Compares published networks in Osteon with nnU-Net v1 and v2, on a real bone and a semi-real CT.

    python -m benchmarks.networks.parity make WORK --data DATA [--full]
    python -m benchmarks.networks.parity compare WORK [--full] [--runtimes auto torch]

The first writes folders of networks and images; the second writes the table after the originals have run; the
Makefile's target `parity` runs all of it. Weights are synthetic; shapes, spacings and patches of the first
two networks are FracSegNet's, with a quarter of its features, so that everything takes minutes. With --full
only those two are written, with all features, which takes an hour or two. The tables are in docs/models.md.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import nibabel
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases.patients import patient_scan
from benchmarks.networks.parity_cases import V1, V2, full_size
from benchmarks.networks.published import Labels, install_model, least_dice
from benchmarks.panel import PANEL
from operators.geometry.volume import CtVolume, Grid
from operators.importing.formats import read_published
from operators.importing.published import Wanted
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.plans import NnUNetPackage
from operators.pipelines.several import segment
from tests.support.packages.synthetic_nnunet import write_v2
from tests.support.packages.synthetic_nnunet_v1 import write_v1
from training.command_line import MANY, run
from training.files import with_block

Image = NDArray[np.float32]
# Margin around the bone, and size of the block cropped from the semi-real CT, voxels
MARGIN, BLOCK = 10, (140, 200, 200)
MARKS = ("<!-- parity -->\n", "<!-- /parity -->\n")
FULL_MARKS = ("<!-- parity in full -->\n", "<!-- /parity in full -->\n")
DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"


@dataclass(frozen=True)
class Row:
    """Result of one network on one image."""

    image: str
    network: str
    runtime: str
    voxels: int
    differ: int
    least_dice: float
    seconds: float

    @property
    def text(self) -> str:
        """Formats a row of the table."""
        differ = f"{self.differ:,} of {self.voxels / 1e6:.1f} M | {1 - self.differ / self.voxels:.6f}"
        who = f"{self.image} | {self.network} | {self.runtime}"
        return f"| {who} | {differ} | {self.least_dice:.5f} | {self.seconds:.0f} |"


def images_of(data: Path, work: Path) -> Iterator[tuple[str, Image, tuple[float, ...]]]:
    """Yields images (z, y, x) in HU with their spacing: a real bone, and a block of a semi-real CT."""
    bone = nibabel.load(data / PANEL.real_bone["image"])
    mask = np.asarray(nibabel.load(data / PANEL.real_bone["mask"]).dataobj) > 0
    box = tuple(
        slice(max(int(where.min()) - MARGIN, 0), int(where.max()) + MARGIN) for where in np.nonzero(mask)
    )
    hu = np.asarray(bone.dataobj, np.float32)[box].transpose(2, 1, 0)
    yield "real bone", hu, tuple(float(mm) for mm in bone.header.get_zooms()[::-1])
    scan = patient_scan(data, "002", work).ct
    starts = [(n - side) // 2 for n, side in zip(scan.hu.shape[::-1], BLOCK, strict=True)]
    block = scan.hu.transpose(2, 1, 0)[tuple(slice(s, s + n) for s, n in zip(starts, BLOCK, strict=True))]
    yield "semi-real CT", block.astype(np.float32), scan.grid.spacing_mm[::-1]


def make(work: Path, data: Path, full: bool) -> None:
    """Writes folders of every network and the images, in the form that the scripts in tests/ read."""
    for name, image, spacing in images_of(data, work / "series"):
        folder = work / name.replace(" ", "_")
        v1, v2 = (tuple(map(full_size, V1)), ()) if full else (V1, V2)
        for case in v2:
            write_v2(case, folder / case.name)
        for case in v1:
            write_v1(case, folder / case.name)
        spacings = {case.name: spacing for case in (*v1, *v2)}
        (folder / "image.pkl").write_bytes(pickle.dumps((np.ascontiguousarray(image), spacings)))


def package_of(folder: Path, models: Path) -> NnUNetPackage:
    """Imports a folder like `osteon models import`, with placeholder meanings of labels."""
    cascade = next(folder.glob("3d_cascade_fullres/*/*"), folder)
    made = install_model(read_published(cascade, Wanted()), folder.name, models)
    package = read_package(made / PACKAGE_FILE)
    assert isinstance(package, NnUNetPackage)
    return package


def compared(
    image: str, folder: Path, expected: Labels, volume: CtVolume, runtimes: Sequence[str]
) -> list[Row]:
    """Compares one network under each runtime, run as by `osteon run`."""
    rows = []
    with tempfile.TemporaryDirectory() as models:
        package = package_of(folder, Path(models))
        for runtime in runtimes:
            began = time.monotonic()
            found = segment(volume, [package], Networks(Device(runtime)), lambda *_: None)
            seconds, got = time.monotonic() - began, found.label_map.labels
            ran = ", ".join(dict.fromkeys(run.runtime for run in found.network_runs))
            differ = int(np.sum(got != expected))
            rows.append(Row(image, folder.name, ran, got.size, differ, least_dice(got, expected), seconds))
            print(rows[-1].text, flush=True)
    return rows


def compare(work: Path, runtimes: Sequence[str]) -> list[Row]:
    """Compares every network on every image for which the original has a result."""
    rows = []
    for folder in sorted(path.parent for path in work.glob("*/image.pkl")):
        image, spacings = pickle.loads((folder / "image.pkl").read_bytes())
        said = {**np.load(folder / "v1.npz"), **np.load(folder / "v2.npz")}
        for name, (z, y, x) in spacings.items():
            grid = Grid(image.shape[::-1], np.diag([x, y, z, 1.0]), "1.2.3")
            volume = CtVolume(image.transpose(2, 1, 0), grid)
            expected = said[f"{name}.labels"].transpose(2, 1, 0)
            rows += compared(folder.name.replace("_", " "), folder / name, expected, volume, runtimes)
    return rows


def write_table(rows: list[Row], marks: tuple[str, str]) -> None:
    """Writes the table into docs/models.md between the markers."""
    head = (
        "| image | network | runtime | voxels that differ | same | lowest Dice of a class | s |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    table = head + "".join(f"{row.text}\n" for row in rows)
    page = with_block(DOCUMENT.read_text(encoding="utf-8"), *marks, table)
    DOCUMENT.write_text(page, encoding="utf-8")


def main(
    what: Literal["make", "compare"],
    work: Path,
    /,
    *,
    data: Path = Path("../shared/data"),
    full: bool = False,
    runtimes: Annotated[tuple[Literal["auto", "openvino", "torch"], ...], MANY] = ("auto", "torch"),
) -> None:
    """Runs `make` or `compare`; `full` is with FracSegNet's own number of features."""
    if what == "make":
        make(work, data, full)
    else:
        write_table(compare(work, runtimes), FULL_MARKS if full else MARKS)


if __name__ == "__main__":
    run(main, __doc__)
