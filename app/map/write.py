"""Writes the manifests, the folders and the links for version 0: the last step of building the image."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cyclopts import run

from app import platform_layout as layout
from app.map.manifests import manifests


def write(root: Path, user: int, gpus: int = 0) -> None:
    """Writes manifests, folders and links under `root`.

    The container's `user` may write to the folders of results, logs and a node's data.
    """
    application, models = within(root, layout.APPLICATION), within(root, layout.MODELS)
    for path, manifest in manifests(application, models, gpus).items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for place in (layout.INPUT, layout.OUTPUT, layout.LOGS, layout.DATA):
        folder = within(root, place)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, user, user)
    for name, target in layout.LINKS.items():
        within(root, name).symlink_to(target)


def within(root: Path, place: os.PathLike[str]) -> Path:
    """Returns a path of the image under another root."""
    return root / str(place).lstrip("/")


if __name__ == "__main__":
    run(write)
