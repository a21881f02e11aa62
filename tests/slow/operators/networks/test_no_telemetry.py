"""Running networks tells nobody of it, whatever OpenVINO would send by itself."""

import subprocess
import sys

import pytest

# Fails on any connection, name lookup or process of its own
RUN = """
import os, socket
import importlib.util

def refuse(*_, **__):
    raise SystemExit("a connection, name lookup or process")

assert importlib.util.find_spec("openvino_telemetry") is not None
socket.socket.connect = socket.getaddrinfo = os.fork = refuse
{imports}
import numpy as np, torch
from operators.networks.fast_openvino.conversion import traced

model = traced(torch.nn.Conv3d(1, 2, 3, padding=1).eval(), (1, 1, 8, 8, 8), (8, 8, 8))
import openvino.tools.ovc.convert_impl as converting
assert converting.tm.__name__ == "openvino.tools.ovc.telemetry_stub", converting.tm
print(model.is_dynamic())
"""


@pytest.mark.parametrize("imports", ["", "import operators.networks.runtimes", "import osteon"])
def test_a_conversion_tells_nobody(imports: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(imports=imports)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
