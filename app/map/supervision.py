"""Runs the application as a process of its own: its time limit, its signals, its exit code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

# As timeout(1) of GNU coreutils
EXIT_TIMED_OUT = 124
# As POSIX shells: 128 and the signal's number
SIGNALLED = 128
# Results are written whole or not at all, so that little needs to be put away
GRACE_S = 10.0


def run_supervised(
    command: Sequence[str], environment: Mapping[str, str], limit_s: float, folder: Path | None = None
) -> int:
    """The exit code; EXIT_TIMED_OUT after `limit_s` seconds (0: none). SIGTERM and SIGINT are handed on."""
    process = subprocess.Popen(command, env=dict(environment), cwd=folder)

    def hand_on(number: int, frame: FrameType | None) -> None:
        del frame
        process.send_signal(number)

    former = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = process.wait(limit_s or None)
    except subprocess.TimeoutExpired:
        end(process)
        return EXIT_TIMED_OUT
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return code if code >= 0 else SIGNALLED - code


def end(process: subprocess.Popen[bytes]) -> None:
    """In order, or by force."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
