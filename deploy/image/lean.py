"""Takes out of the image's packages what no run needs, and keeps the bytecode of what every run imports.

Run with the environment's own Python once, in the stage that installs the wheels.
"""

from __future__ import annotations

import hashlib
import importlib
import shutil
import struct
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Folders and files below site-packages; a run and a node were tried without them
UNNEEDED = (
    # Everybody's tests, and their data
    "**/tests", "torch/test", "torch/bin/*[tT]est*", "torch/lib/*_test.so", "pydicom/data/test_files",
    "torch/testing/_internal/distributed", "pydicom/data/charset_files", "skimage/data/*.png",
    "skimage/data/*.jpg", "skimage/data/*.npz",
    # What extensions are built with
    "torch/include", "torch/bin/protoc*", "torch/share", "torch/**/*.pyi", "openvino/include",
    "openvino/cmake", "nvidia/*/include", "nvidia/*/lib/*.a",
    # OpenVINO: devices that are not used, and readers of formats that are not read
    "openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/libs/cache.json",
    "openvino/libs/libopenvino_intel_npu_plugin.so", "openvino/libs/libopenvino_jax_frontend.so.*",
    "openvino/libs/libopenvino_paddle_frontend.so.*", "openvino/libs/libopenvino_tensorflow*_frontend.so.*",
    "openvino/libs/libopenvino_onnx_frontend.so.*", "openvino/libs/libopenvino_gguf_frontend.so.*",
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
    "structlog", "pydantic_settings", "yaml", "jsonschema", "httpcore", "dbos", "fastapi", "uvicorn",
    "psycopg", "prometheus_client", "sqlalchemy", "jinja2", "fast_simplification",
)  # fmt: skip
# Of the ELF-64 format, little-endian (System V ABI, chapters 4 and 5): where a header has its numbers
ELF_64 = b"\x7fELF\x02\x01"
SEGMENTS_AT, SECTIONS_AT, SEGMENT_SIZE_AT, SECTION_COUNT_AT = 32, 40, 54, 60
OFFSET_IN_SEGMENT, LENGTH_IN_SEGMENT = 8, 32


def main() -> None:
    """Removes, then imports."""
    packages = Path(sysconfig.get_path("purelib"))
    importlib.import_module("holoscan")
    for path in [path for pattern in UNNEEDED for path in packages.glob(pattern)]:
        # Licences of parts lie in folders with those parts' names
        if ".dist-info/" not in str(path):
            remove(path)
    # This wheel has each library under three names
    link_copies(packages / "_gdcm")
    for library in libraries(packages):
        cut_symbols(library)
    for name in IMPORTED:
        importlib.import_module(name)


def remove(path: Path) -> None:
    """A file or a folder; one that went with its folder is gone already."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def libraries(folder: Path) -> Iterator[Path]:
    """Shared libraries at any depth, each once."""
    return (path for path in folder.rglob("*.so*") if path.is_file() and not path.is_symlink())


def link_copies(folder: Path) -> None:
    """Replaces libraries of equal content by links to one of them."""
    kept: dict[str, Path] = {}
    for path in sorted(libraries(folder)):
        first = kept.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
        if first != path:
            path.unlink()
            path.symlink_to(first.relative_to(path.parent))


def cut_symbols(path: Path) -> None:
    """Cuts off what lies behind all that a loader reads: symbols for debuggers, and the table of sections.

    As `strip` does, which a base image has not. What is no library of ELF-64 stays as it is.
    """
    with path.open("r+b") as file:
        head = bytearray(file.read(64))
        if head[: len(ELF_64)] != ELF_64:
            return
        (start,) = struct.unpack_from("<Q", head, SEGMENTS_AT)
        size, count = struct.unpack_from("<HH", head, SEGMENT_SIZE_AT)
        file.seek(start)
        file.truncate(max(start + size * count, loaded_end(file.read(size * count), size)))
        struct.pack_into("<Q", head, SECTIONS_AT, 0)
        struct.pack_into("<HH", head, SECTION_COUNT_AT, 0, 0)
        file.seek(0)
        file.write(head)


def loaded_end(table: bytes, size: int) -> int:
    """Where the last of the segments ends in its file; `size` is that of an entry of their table."""
    ends = []
    for at in range(0, len(table), size):
        (offset,) = struct.unpack_from("<Q", table, at + OFFSET_IN_SEGMENT)
        (length,) = struct.unpack_from("<Q", table, at + LENGTH_IN_SEGMENT)
        ends.append(offset + length)
    return max(ends)


if __name__ == "__main__":
    main()
