"""Runs a published network on a volume in its own process, so that its memory can be measured.

    python -m benchmarks.networks.osteon_run PACKAGE VOLUME.npz OUT.npz
        [--mode fast] [--precision bf16] [--instant]

VOLUME.npz and OUT.npz are those of nnunet_peer.py. `--instant` replaces the network by one that returns a
constant, which leaves resampling and export. Prints the seconds of each stage as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.process_usage import StageClock
from operators.geometry.volume import CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_package
from operators.packages.packages import NetworkSpec
from operators.packages.plans import NnUNetPackage
from operators.pipelines import nnunet as direct
from operators.process.memory import keep_large_arrays_apart
from training.command_line import run


class Instant(Networks):
    """A network with a constant output."""

    name, precision = "instant", "f32"

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns itself, with the output for a tile of `spec`."""
        shape = (len(spec.classes), *spec.patch)
        self.answer = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        return cast(Runtime, self)

    def __call__(self, _: object) -> np.ndarray:
        """Returns the output."""
        return self.answer


def main(
    package: Path,
    volume: Path,
    out: Path,
    /,
    *,
    mode: str = "exact",
    precision: str = "",
    instant: bool = False,
) -> None:
    """Segments one volume."""
    clock = StageClock()
    keep_large_arrays_apart()
    content = np.load(volume)
    z, y, x = content["spacing"].tolist()
    hu = content["hu"].transpose(2, 1, 0)
    read = read_package(package / "package.toml")
    assert isinstance(read, NnUNetPackage)
    networks = (Instant if instant else Networks)(Device(precision=precision), mode)
    clock.ended("loading")
    scan = direct.prepare(CtVolume(hu, Grid(hu.shape, np.diag([x, y, z, 1.0]), "1.2.3")), read)
    clock.ended("resampling")
    output = direct.run_networks(scan, networks, lambda *_: None)
    clock.ended("network and export")
    np.savez(out, labels=output.found.labels.transpose(2, 1, 0))
    print("\n".join(map(str, output.network_runs)))
    print(json.dumps(clock.stages))


if __name__ == "__main__":
    run(main, __doc__)
