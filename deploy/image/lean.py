"""Takes out of the image's packages what no run needs, and keeps the bytecode of what every run imports.

Run with the environment's own Python once, in the stage that installs the wheels.
"""

from __future__ import annotations

import importlib
import shutil
import sysconfig
from pathlib import Path

# Folders and files below site-packages; a run and a node were tried without them
UNNEEDED = (
    # Headers, tests and programs of torch for building extensions
    "torch/include", "torch/test", "torch/bin/*[tT]est*", "torch/bin/protoc*", "torch/share",
    "torch/lib/*_test.so",
    # OpenVINO: devices that are not used, and readers of formats that are not read
    "openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/libs/cache.json",
    "openvino/libs/libopenvino_intel_npu_plugin.so", "openvino/libs/libopenvino_jax_frontend.so.*",
    "openvino/libs/libopenvino_paddle_frontend.so.*", "openvino/libs/libopenvino_tensorflow*_frontend.so.*",
    "openvino/include", "openvino/cmake",
    # Tests of others
    "scipy/*/tests", "scipy/*/*/tests", "numpy/*/tests", "skimage/*/tests", "nibabel/*/tests",
    "sympy/*/tests", "sympy/*/*/tests", "networkx/*/tests", "networkx/*/*/tests", "pydicom/data/test_files",
    "pydicom/data/charset_files", "pynetdicom/tests", "cupy/*/tests", "torch/testing/_internal/distributed",
    # Holoscan's viewer
    "holoscan/lib/libholoscan_viz.so*",
    # The installers: nothing is installed in a container
    "pip", "pip-*.dist-info",
)  # fmt: skip
# What a run and a node import; holoscan's wheel links its libraries when it is imported first
IMPORTED = (
    "monai.deploy.core", "holoscan", "openvino", "torch", "SimpleITK", "scipy.ndimage", "skimage.measure",
    "skimage.segmentation", "highdicom", "pydicom", "pynetdicom", "gdcm", "pylibjpeg", "openjpeg", "rle",
    "jpeg_ls", "safetensors.torch", "nibabel", "trimesh", "PIL.Image", "cyclopts", "rich.progress",
    "structlog", "pydantic_settings", "yaml", "jsonschema", "httpx", "dbos", "fastapi", "uvicorn", "psycopg",
    "prometheus_client", "sqlalchemy", "jinja2", "fast_simplification",
)  # fmt: skip


def main() -> None:
    """Removes, then imports."""
    packages = Path(sysconfig.get_path("purelib"))
    importlib.import_module("holoscan")
    for pattern in UNNEEDED:
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in IMPORTED:
        importlib.import_module(name)


if __name__ == "__main__":
    main()
