"""The loaded networks of a process: each is loaded once, when it is first wanted."""

from __future__ import annotations

from operators.imaging.packages import NetworkSpec
from operators.networks.runtimes import Device, Runtime, load_network


class Networks:
    """Loads networks on demand and keeps them."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.loaded: dict[tuple[str, tuple[int, ...]], Runtime] = {}

    def get(self, spec: NetworkSpec) -> Runtime:
        """The network of `spec`, ready to run. Raises ModelError."""
        key = (spec.sha256, spec.patch)
        if key not in self.loaded:
            self.loaded[key] = load_network(spec, self.device)
        return self.loaded[key]

    def rest(self) -> None:
        """Gives back what the networks need only while they run."""
        for network in self.loaded.values():
            network.rest()
