"""The image run as a platform runs it: not root, a root that cannot be written, no network.

bubblewrap stands for the container's engine, where none is installed; the image is one that buildah built.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = 10001
IMAGE = os.environ.get("OSTEON_IMAGE", "osteon")


@dataclass(frozen=True)
class Image:
    """The image's files as a folder, and its configuration."""

    root: Path
    environment: Mapping[str, str]
    entry_point: tuple[str, ...]
    user: str
    labels: Mapping[str, str]
    size_bytes: int


def buildah(*words: str) -> str:
    """What it says."""
    return subprocess.run(["buildah", *words], check=True, capture_output=True, text=True).stdout


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """An image of buildah's storage."""
    told = json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
    container = buildah("from", "--pull-never", name).strip()
    try:
        root = Path(buildah("mount", container).strip())
        environment = dict(entry.split("=", 1) for entry in told["Env"])
        yield Image(
            root, environment, tuple(told["Entrypoint"]), told["User"], told["Labels"], tree_bytes(root)
        )
    finally:
        buildah("rm", container)


def tree_bytes(folder: Path) -> int:
    """As it lies unpacked."""
    said = subprocess.run(["du", "-sb", folder], check=True, capture_output=True, text=True).stdout
    return int(said.split()[0])


def words(
    image: Image,
    command: Sequence[object],
    *,
    read: Mapping[str, Path] | None = None,
    written: Mapping[str, Path] | None = None,
    network: bool = False,
    user: int = USER,
    **variables: object,
) -> list[str]:
    """The command line that runs `command` in the image; folders by their place in it."""
    mounts = [word for place, folder in (read or {}).items() for word in ("--ro-bind", str(folder), place)]
    for place, folder in (written or {}).items():
        os.chown(folder, user, user)
        mounts += ["--bind", str(folder), place]
    given = dict(image.environment) | {name: str(value) for name, value in variables.items()}
    environment = [word for name, value in given.items() for word in ("--setenv", name, value)]
    root = ("--ro-bind", str(image.root), "/", "--proc", "/proc", "--dev", "/dev")
    scratch = ("--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/dev/shm")
    apart = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", *(() if network else ("--unshare-net",)))
    # Needed to become another user; gone with it
    change = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs")
    return [
        "bwrap",
        *root,
        *scratch,
        *mounts,
        *apart,
        *change,
        "--die-with-parent",
        "--chdir",
        "/var/holoscan",
        "--clearenv",
        *environment,
        "--",
        *become,
        *map(str, command),
    ]


def called(
    image: Image,
    *arguments: object,
    read: Mapping[str, Path] | None = None,
    written: Mapping[str, Path] | None = None,
    **variables: Any,
) -> tuple[int, str]:
    """Exit code and output of the entry point with these arguments."""
    line = words(image, [*image.entry_point, *arguments], read=read, written=written, **variables)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
