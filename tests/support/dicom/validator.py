"""What dciodvfy, an independent validator of DICOM objects, says of a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Programs that pip installed beside the interpreter
BINARIES = Path(sys.executable).parent


def verdict(path: Path) -> str:
    """Returns all that dciodvfy prints; the kind of the object comes first."""
    command = [BINARIES / "dciodvfy", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr + done.stdout


def errors_in(path: Path, kind: str = "") -> list[str]:
    """Returns the errors that dciodvfy finds in a file, which it must take for an object of this kind."""
    said = verdict(path)
    assert kind in said
    return [line for line in said.splitlines() if line.startswith("Error")]
