"""Two images built from the same commit have the same content: `make image-again`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.image.contained import IMAGE, mounted

AGAIN = os.environ.get("OSTEON_AGAIN", f"{IMAGE}-again")


def contents(root: Path, below: str) -> dict[str, str]:
    """The SHA-256 of each file; bytecode holds its source's time, and its source is compared."""
    files = (path for path in (root / below).rglob("*") if path.is_file() and not path.is_symlink())
    named = ((str(path.relative_to(root)), path) for path in files if path.suffix != ".pyc")
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in named}


def test_two_builds_have_the_same_manifests_packages_and_files() -> None:
    with mounted(IMAGE) as one, mounted(AGAIN) as other:
        assert one.environment == other.environment
        assert one.labels == other.labels
        for below in ("etc", "opt", "var"):
            ours = contents(one.root, below)
            assert ours == contents(other.root, below)
            print(f"\n{below}: {len(ours)} files, all the same")
