"""Keeps the loaded networks of a process: each is loaded once, on first use."""

from __future__ import annotations

from collections.abc import Sequence

from operators.networks.runtimes import Device, Runtime, load_network
from operators.packages.packages import NetworkSpec
from operators.segmentation.segmentation import NetworkRun


class Networks:
    """Loads networks on demand and keeps them; `mode` is a row of the table in `tilings.py`.

    Weights that run with tiles of several sizes are kept for the last size only.
    """

    def __init__(self, device: Device, mode: str = "exact") -> None:
        self.device, self.mode = device, mode
        self.loaded: dict[str, tuple[NetworkSpec, Runtime]] = {}

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns the network of `spec`, ready to run. Raises ModelError."""
        known = self.loaded.get(spec.sha256)
        if known is None or (known[0].patch, known[0].precision) != (spec.patch, spec.precision):
            self.loaded.pop(spec.sha256, None)
            self.loaded[spec.sha256] = spec, load_network(spec, self.device)
        return self.loaded[spec.sha256][1]

    def network_runs(
        self, specs: Sequence[NetworkSpec], tiling: str, overlap: float
    ) -> tuple[NetworkRun, ...]:
        """Returns how those of `specs` that are loaded are run."""
        known = [(spec, self.loaded[spec.sha256][1]) for spec in specs if spec.sha256 in self.loaded]
        return tuple(
            NetworkRun(spec.name, run.name, run.precision, tiling, spec.patch, overlap) for spec, run in known
        )

    def rest(self) -> None:
        """Releases the memory that networks need only while they run."""
        for _, network in self.loaded.values():
            network.rest()
