"""Removes from the image's packages what no run needs, and keeps the bytecode of what every run imports.

Run once with the environment's own Python, in the stage that installs the wheels.
"""

from __future__ import annotations

import hashlib
import importlib
import shutil
import struct
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Folders and files in site-packages; a run and a node were tested without them
UNNEEDED = (
    # Tests of all packages, and their data
    "**/tests", "torch/test", "torch/bin/*[tT]est*", "torch/lib/*_test.so", "pydicom/data/test_files",
    "torch/testing/_internal/distributed", "pydicom/data/charset_files", "skimage/data/*.png",
    "skimage/data/*.jpg", "skimage/data/*.npz",
    # Files for building extensions
    "torch/include", "torch/bin/protoc*", "torch/share", "torch/**/*.pyi", "openvino/include",
    "openvino/cmake", "nvidia/*/include", "nvidia/*/lib/*.a",
    # OpenVINO: plug-ins of unused devices, and frontends of unused formats
    "openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/libs/cache.json",
    "openvino/libs/libopenvino_intel_npu_plugin.so", "openvino/libs/libopenvino_jax_frontend.so.*",
    "openvino/libs/libopenvino_paddle_frontend.so.*", "openvino/libs/libopenvino_tensorflow*_frontend.so.*",
    "openvino/libs/libopenvino_onnx_frontend.so.*", "openvino/libs/libopenvino_gguf_frontend.so.*",
    # Holoscan's viewer
    "holoscan/lib/libholoscan_viz.so*",
    # The installers: nothing is installed in a container
    "pip", "pip-*.dist-info",
)  # fmt: skip
# Modules that a run and a node import; holoscan's wheel links its libraries on its first import
IMPORTED = (
    "monai.deploy.core", "holoscan", "openvino", "torch", "SimpleITK", "scipy.ndimage", "skimage.measure",
    "skimage.segmentation", "highdicom", "pydicom", "pynetdicom", "gdcm", "pylibjpeg", "openjpeg", "rle",
    "jpeg_ls", "safetensors.torch", "nibabel", "trimesh", "PIL.Image", "cyclopts", "rich.progress",
    "structlog", "pydantic_settings", "yaml", "jsonschema", "httpcore", "dbos", "fastapi", "uvicorn",
    "psycopg", "prometheus_client", "sqlalchemy", "jinja2", "fast_simplification", "argon2",
    "markdown_it", "authlib.oidc.core", "joserfc.jwt", "apprise",
)  # fmt: skip
# ELF-64, little-endian (System V ABI, chapters 4 and 5): offsets of numbers in a header
ELF_64 = b"\x7fELF\x02\x01"
SEGMENTS_AT, SECTIONS_AT, SEGMENT_SIZE_AT, SECTION_COUNT_AT = 32, 40, 54, 60
OFFSET_IN_SEGMENT, LENGTH_IN_SEGMENT = 8, 32


def main() -> None:
    """Removes unneeded files, then imports the modules, which writes their bytecode."""
    packages = Path(sysconfig.get_path("purelib"))
    importlib.import_module("holoscan")
    for path in [path for pattern in UNNEEDED for path in packages.glob(pattern)]:
        # Licences of bundled parts are in folders with the parts' names
        if ".dist-info/" not in str(path):
            remove(path)
    # This wheel contains each library under three names
    link_copies(packages / "_gdcm")
    for library in libraries(packages):
        cut_symbols(library)
    for name in IMPORTED:
        importlib.import_module(name)


def remove(path: Path) -> None:
    """Deletes a file or a folder, unless it was deleted with its parent folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def libraries(folder: Path) -> Iterator[Path]:
    """Yields the shared libraries at any depth, without links."""
    return (path for path in folder.rglob("*.so*") if path.is_file() and not path.is_symlink())


def link_copies(folder: Path) -> None:
    """Replaces libraries of equal content with links to one of them."""
    kept: dict[str, Path] = {}
    for path in sorted(libraries(folder)):
        first = kept.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
        if first != path:
            path.unlink()
            path.symlink_to(first.relative_to(path.parent))


def cut_symbols(path: Path) -> None:
    """Truncates the file after the last byte that a loader reads, removing symbols and the section table.

    Equivalent to `strip`, which the base image lacks. Files other than ELF-64 libraries stay as they are.
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
    """Returns the offset in its file at which the last segment ends; `size` is that of a table entry."""
    ends = []
    for at in range(0, len(table), size):
        (offset,) = struct.unpack_from("<Q", table, at + OFFSET_IN_SEGMENT)
        (length,) = struct.unpack_from("<Q", table, at + LENGTH_IN_SEGMENT)
        ends.append(offset + length)
    return max(ends)


if __name__ == "__main__":
    main()
