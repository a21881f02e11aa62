"""Runs one network on one patch: with OpenVINO on a CPU, with torch on a GPU or if OpenVINO is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import openvino
from numpy.typing import NDArray

from operators.errors import ModelError, UsageError
from operators.networks.fast_openvino.exact_norms import with_exact_norms
from operators.networks.fast_openvino.openvino_graph import BUILDERS, build_openvino_model
from operators.networks.fast_openvino.split_convolutions import with_split_convolutions
from operators.networks.footprint import require_memory
from operators.networks.gpu import has_gpu
from operators.networks.weights import fill, load_weights
from operators.packages.packages import NetworkSpec
from operators.process.memory import memory_bytes, return_freed_memory

# Torch takes a second to import, which a run of Osteon's own networks with OpenVINO does without
if TYPE_CHECKING:
    import torch
    from torch import nn

Array = NDArray[np.float32]

# Torch's names of memory formats, by the number of dimensions
CHANNELS_LAST = {2: "channels_last", 3: "channels_last_3d"}


class Runtime(Protocol):
    """A loaded network. `name` and `precision` are recorded in the result."""

    name: str
    precision: str

    def __call__(self, patch: Array) -> Array:
        """Returns logits (classes, I, J, K) of a patch (I, J, K), or (inputs, I, J, K), scaled to 0..1."""
        ...

    def outputs(self, patch: Array) -> tuple[Array, ...]:
        """Returns all outputs of a network that has several, each without its first axis, of length 1."""
        ...

    def rest(self) -> None:
        """Releases the memory needed between layers; the next patch allocates it again."""
        ...


@dataclass(frozen=True)
class Device:
    """The runtime to use, the number of CPU threads (0: all), the precision, and the device: auto, cpu, cuda.

    `precision` is f32 or bf16; empty leaves it to the network, which may leave it to the runtime.
    """

    runtime: str = "auto"
    threads: int = 0
    precision: str = ""
    where: str = "auto"

    def require(self) -> None:
        """Raises ModelError if the device is missing, UsageError if the runtime does not support it."""
        if self.where == "cuda" and not has_gpu():
            raise ModelError(
                "expected a GPU with CUDA for device cuda, got none that torch can use",
                code="cuda_missing",
            )
        if self.where == "cuda" and self.runtime == "openvino":
            raise UsageError("expected runtime torch or auto for device cuda, got openvino")

    @property
    def is_cuda(self) -> bool:
        """Whether torch runs networks on a GPU."""
        return self.where != "cpu" and has_gpu()

    def asked_by(self, spec: NetworkSpec) -> Device:
        """Fills unset options of this device from the network's own preferences."""
        asked = replace(self, precision=self.precision or spec.precision)
        if self.is_cuda or (asked.runtime, asked.precision) != ("auto", "f32"):
            return asked
        return replace(asked, runtime=spec.runtime or asked.runtime)

    @property
    def chosen(self) -> str:
        """The runtime's name: torch if a GPU is used, else OpenVINO."""
        if self.runtime != "auto":
            return self.runtime
        return "torch" if self.is_cuda else "openvino"


class OpenVinoRuntime:
    """OpenVINO on a CPU; uses bf16 if the processor supports it, as OpenVINO decides."""

    name = "openvino"

    def __init__(self, model: openvino.Model, spec: NetworkSpec, device: Device) -> None:
        model = with_split_convolutions(model)
        if device.precision == "f32":
            model = with_exact_norms(model)
        self.shape = (1, spec.inputs, *spec.patch)
        options: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
        if device.threads:
            options["INFERENCE_NUM_THREADS"] = device.threads
        if device.precision:
            options["INFERENCE_PRECISION_HINT"] = device.precision
        self.compiled = openvino.Core().compile_model(model, "CPU", options)
        return_freed_memory()
        self.precision = str(self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self.request = self.compiled.create_infer_request()

    def __call__(self, patch: Array) -> Array:
        """See Runtime."""
        logits: Array = self.infer(patch).get_output_tensor(0).data[0]
        return logits

    def outputs(self, patch: Array) -> tuple[Array, ...]:
        """See Runtime."""
        request = self.infer(patch)
        # Copies, as the next patch is written over them
        return tuple(request.get_output_tensor(n).data[0].copy() for n in range(len(self.compiled.outputs)))

    def infer(self, patch: Array) -> openvino.InferRequest:
        """Returns the request after it has run a patch."""
        self.request.infer([np.ascontiguousarray(patch).reshape(self.shape)], share_inputs=True)
        return self.request

    def rest(self) -> None:
        """See Runtime."""
        self.compiled.release_memory()
        return_freed_memory()


class TorchRuntime:
    """Torch: CUDA with autocast if there is a GPU, else the CPU in float32."""

    name = "torch"

    def __init__(self, network: nn.Module, spec: NetworkSpec, device: Device) -> None:
        import torch

        self.shape = (1, spec.inputs, *spec.patch)
        self.device = torch.device("cuda" if device.is_cuda else "cpu")
        self.precision = device.precision or ("bf16" if self.device.type == "cuda" else "f32")
        if device.threads:
            torch.set_num_threads(device.threads)
        self.network = network.to(self.device)
        if self.device.type == "cuda":
            # Not on a CPU, where it would change the order of sums from that of the originals
            layout = getattr(torch, CHANNELS_LAST[spec.dimensions])
            self.network = self.network.to(memory_format=layout)  # type: ignore[call-overload]

    def __call__(self, patch: Array) -> Array:
        """See Runtime."""
        return self.array(self.run(patch))

    def outputs(self, patch: Array) -> tuple[Array, ...]:
        """See Runtime."""
        return tuple(map(self.array, self.run(patch)))

    def run(self, patch: Array) -> Any:
        """Returns what the network gives of a patch: a tensor, or several."""
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(patch)).reshape(self.shape).to(self.device)
        half = self.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            return self.network(tensor)

    @staticmethod
    def array(tensor: torch.Tensor) -> Array:
        """Returns an output without its first axis, in float32."""
        array: Array = tensor[0].float().cpu().numpy()
        return array

    def rest(self) -> None:
        """Does nothing: torch keeps no memory between layers."""


def openvino_runtime(network: nn.Module, spec: NetworkSpec, device: Device) -> OpenVinoRuntime:
    """Returns torch's network converted to OpenVINO."""
    from operators.networks.fast_openvino.conversion import convert_to_openvino

    return OpenVinoRuntime(convert_to_openvino(network, spec), spec, device)


RUNTIMES: dict[str, Callable[[nn.Module, NetworkSpec, Device], Runtime]] = {
    "openvino": openvino_runtime,
    "torch": TorchRuntime,
}


def load_network(spec: NetworkSpec, device: Device) -> Runtime:
    """Returns the network of `spec` with its checked weights. Raises ModelError."""
    asked = device.asked_by(spec)
    if asked.chosen not in RUNTIMES:
        raise ModelError(f"expected one of the runtimes {', '.join(RUNTIMES)}, got {asked.chosen!r}")
    if not asked.is_cuda:
        require_memory(spec, memory_bytes())
    without_torch = load_without_torch(spec, asked) if asked.chosen == "openvino" else None
    return without_torch or load_with_torch(spec, asked)


def load_without_torch(spec: NetworkSpec, device: Device) -> Runtime | None:
    """Returns a network whose OpenVINO model is built from its weights; None if it cannot be built so."""
    if spec.architecture not in BUILDERS:
        return None
    weights = load_weights(spec.weights, spec.sha256)
    shape = (1, spec.inputs, *spec.patch)
    model = build_openvino_model(spec.architecture, spec.arguments, weights.arrays, shape)
    if model is None:
        return None
    runtime = OpenVinoRuntime(model, spec, device)
    weights.rest()
    return runtime


def load_with_torch(spec: NetworkSpec, device: Device) -> Runtime:
    """Returns a network that torch builds, and runs or traces. Raises ModelError."""
    from operators.networks.architectures.architecture_table import build

    network, weights = build(spec.architecture, **spec.arguments), load_weights(spec.weights, spec.sha256)
    try:
        # OpenVINO makes its own copy of the weights. Torch gets a copy laid out as in the originals, as the
        # address of a tensor can decide the order of sums
        fill(network, weights.tensors, shared=device.chosen == "openvino")
    except RuntimeError as error:
        raise ModelError(
            f"expected weights of {spec.architecture} {spec.arguments} in {spec.weights.name}, got others",
            code="weights_do_not_fit",
        ) from error
    runtime = RUNTIMES[device.chosen](network.eval(), spec, device)
    weights.rest()
    return runtime
