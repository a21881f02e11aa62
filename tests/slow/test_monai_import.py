"""MONAI Deploy is imported without the rest of MONAI, which stays importable afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GRAPH = """
import sys
from app.run.series_job import import_graph
import_graph()
import app.run.folder
import operators.networks.registry
DEPLOY = ("matplotlib", "monai.deploy", "monai.networks", "monai.transforms", "trimesh", "torch", "gevent")
NAMES = (*DEPLOY, "nibabel", "reportlab", "scipy.optimize", "scipy.signal")
print([name for name in NAMES if name in sys.modules])
"""
BUNDLE = (
    GRAPH
    + """
from operators.networks.architectures.architecture_table import build
print(type(build("monai_unet", spatial_dims=3, in_channels=1, out_channels=2, channels=(4, 8),
                 strides=(2,))).__name__)
"""
)


def lines(script: str) -> list[str]:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_graph_loads_monai_deploy_and_nothing_that_a_ct_does_not_need() -> None:
    assert lines(GRAPH) == ["['monai.deploy']"]


def test_what_monai_did_without_can_be_imported_afterwards() -> None:
    assert lines(GRAPH + "import matplotlib.pyplot\nprint('loaded')")[-1] == "loaded"


def test_a_bundles_network_is_built_after_that() -> None:
    assert lines(BUNDLE)[-1] == "UNet"


def test_monais_version_can_be_read_afterwards() -> None:
    assert lines(GRAPH + "import monai\nprint(monai.__version__[0].isdigit(), 'torch' in sys.modules)")[
        -1
    ] == ("True True")


def test_an_unknown_attribute_of_monai_is_missing_before_and_after_its_import() -> None:
    script = "import monai\nprint([hasattr(monai, name) for name in ('__wrapped__', 'deploy', 'a', 'a')])"
    assert lines(GRAPH + script)[-1] == "[False, True, False, False]"


def test_monai_deploys_models_find_torch_and_tritons_client_when_they_need_them() -> None:
    script = """
from monai.deploy.core.models import torch_model, triton_model
print(torch_model.torch.nn.Module.__name__, triton_model.httpclient.InferInput.__name__)
import torch
print(torch_model.torch.nn is torch.nn, torch_model.torch.__version__ == torch.__version__)
"""
    assert lines(GRAPH + script)[-2:] == ["Module InferInput", "True True"]


@pytest.mark.parametrize(
    "name", ["losses", "data", "utils", "transforms", "networks.nets", "engines", "apps", "bundle"]
)
def test_code_that_is_not_ours_imports_any_module_of_monai_first(name: str) -> None:
    assert lines(f"{GRAPH}import monai.{name}\nprint('loaded')")[-1] == "loaded"
