"""Two images that were built from the same commit hold the same: `make image-again`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.image.contained import IMAGE, mounted

AGAIN = os.environ.get("OSTEON_AGAIN", f"{IMAGE}-again")
# What the base image's own programs write when they are called has their time in it
DATED = ("etc/shadow", "etc/passwd-", "etc/shadow-", "var/log/")


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
            ours, theirs = contents(one.root, below), contents(other.root, below)
            assert ours.keys() == theirs.keys()
            different = {name for name in ours if ours[name] != theirs[name]}
            assert {name for name in different if not name.startswith(DATED)} == set()
            print(f"\n{below}: {len(ours)} files, different: {sorted(different)}")
