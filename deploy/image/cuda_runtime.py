"""Puts CUDA's runtime library where Holoscan looks for it; run once with the environment's own Python.

The wheel holoscan-cu13 4.6.0 loads libcudart.so.13 even without a GPU, requires no package that contains it,
and looks only next to its own libraries (readelf: RUNPATH $ORIGIN). nvidia-cuda-runtime contains it.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path


def main() -> None:
    """Makes a link next to Holoscan's libraries."""
    packages = Path(sysconfig.get_path("purelib"))
    link = packages / "holoscan" / "lib" / "libcudart.so.13"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("../../nvidia/cu13/lib") / link.name)


if __name__ == "__main__":
    main()
