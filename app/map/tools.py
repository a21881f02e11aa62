"""Calls the programs that build and run images: docker, podman, buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app import platform_layout as layout
from operators.errors import UsageError

TOOLS = ("docker", "podman", "buildah")
# The OCI image format has no health check, docker's format has one
FORMAT = {"buildah": ("--format", "docker"), "podman": ("--format", "docker")}


@dataclass(frozen=True)
class Mount:
    """A folder of this machine, mounted at `place` in the container."""

    folder: Path
    place: str
    writable: bool = False

    @property
    def text(self) -> str:
        """Returns the mount in the form that all three programs take."""
        return f"{self.folder.resolve()}:{self.place}:{'rw' if self.writable else 'ro'}"


@dataclass(frozen=True)
class Container:
    """A container to run: its image, arguments and mounts."""

    image: str
    arguments: Sequence[str]
    mounts: Sequence[Mount] = ()
    gpus: bool = False


def tool_named(name: str | None, purpose: str = "") -> str:
    """Returns the program `name`, or the first installed one. Raises UsageError, which `purpose` ends."""
    found = [tool for tool in ([name] if name else TOOLS) if shutil.which(tool)]
    if not found:
        wanted = name or f"one of {', '.join(TOOLS)}"
        raise UsageError(f"expected {wanted} to be installed{purpose}, found none")
    return found[0]


def require_image(tool: str, image: str) -> None:
    """Raises UsageError, with the program's last message, if it has no such image or fails."""
    question = ["inspect", "--type", "image"] if tool == "buildah" else ["image", "inspect"]
    words = [tool, *question, image]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    if asked.returncode:
        message = (asked.stderr.strip().splitlines() or ["nothing"])[-1]
        raise UsageError(f"expected a local image {image}, {tool} says: {message}")


def build_words(
    tool: str, tag: str, folder: Path, arguments: Mapping[str, str], more: Sequence[str]
) -> list[str]:
    """Returns the command that builds the image of the application in `folder`."""
    values = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    return [tool, "build", *FORMAT.get(tool, ()), *values, *more, "--tag", tag, str(folder)]


def run_container(tool: str, container: Container) -> int:
    """Runs a container without network until it ends, and returns its exit code."""
    if tool != "buildah":
        return subprocess.run(run_words(tool, container), check=False).returncode
    with working_container(container.image) as name:
        return subprocess.run(buildah_words(name, container), check=False).returncode


def run_words(tool: str, container: Container) -> list[str]:
    """Returns the command for docker or podman; only writable mounts and /tmp can be written."""
    mounts = [word for mount in container.mounts for word in ("--volume", mount.text)]
    # Results belong to the calling user; holoscan needs a stack of 32 MB
    user = ("--user", f"{os.getuid()}:{os.getgid()}", "--ulimit", "stack=33554432")
    gpus = ("--gpus", "all") if container.gpus else ()
    closed = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")  # noqa: S108 (a path within the container)
    return [tool, "run", *closed, *user, *gpus, *mounts, container.image, *container.arguments]


def buildah_words(name: str, container: Container) -> list[str]:
    """Returns the command for buildah, which ignores the entry point and has no read-only root.

    Isolation by chroot needs no daemon.
    """
    mounts = [word for mount in container.mounts for word in ("--volume", mount.text)]
    isolation = ("--isolation", "chroot", "--user", f"{os.getuid()}:{os.getgid()}")
    words = (str(layout.ENTRY_POINT), *container.arguments)
    return ["buildah", "run", *isolation, *mounts, name, "--", *words]


@contextmanager
def working_container(image: str) -> Iterator[str]:
    """Yields the name of a buildah container of an image, and removes it afterwards. Raises UsageError."""
    name = f"osteon-{uuid.uuid4().hex[:8]}"
    words = ["buildah", "from", "--pull-never", "--name", name, image]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode:
        raise UsageError(f"expected an image {image}, buildah says: {made.stderr.strip()}")
    try:
        yield name
    finally:
        subprocess.run(["buildah", "rm", name], stdout=subprocess.DEVNULL, check=False)
