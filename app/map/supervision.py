"""Runs the application as a child process: its time limit, the signals it gets, its exit code."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType

# As timeout(1) of GNU coreutils
EXIT_TIMED_OUT = 124
# As in POSIX shells: 128 plus the signal's number
SIGNALLED = 128
# Enough, as results are written atomically and little has to be cleaned up
GRACE_S = 10.0


def run_supervised(command: Sequence[str], environment: Mapping[str, str], limit_s: float) -> int:
    """Runs a command and returns its exit code, or EXIT_TIMED_OUT after `limit_s` seconds (0: no limit).

    SIGTERM and SIGINT are forwarded to it.
    """
    process = subprocess.Popen(command, env=dict(environment))

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        process.send_signal(number)

    former = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
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
    """Terminates a process, and kills it if it has not ended after `GRACE_S`."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
