"""Runs a command and measures its time and peak memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The words that begin a command of Osteon, run as a user does
OSTEON = (sys.executable, "-c", "from app.cli.commands import main; main()")


@dataclass(frozen=True)
class ProcessUsage:
    """Wall clock seconds, peak resident memory, exit code, output and processor seconds of one process."""

    seconds: float
    peak_rss_mb: float
    returncode: int
    output: str
    processor_s: float = 0.0

    def last_json(self) -> Any:
        """Returns the content of the last line of the output."""
        return json.loads(self.output.strip().splitlines()[-1])


class StageClock:
    """Seconds of each stage of this process, and its peak memory in megabytes at the end of each."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.stages: dict[str, tuple[float, int]] = {}

    def ended(self, stage: str) -> None:
        """Records the stage since the previous one."""
        now = time.monotonic()
        self.stages[stage] = (round(now - self.began, 2), round(peak_mb()))
        self.began = now


def peak_mb() -> float:
    """Returns the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000


def run_measured(command: list[str], log: Path) -> ProcessUsage:
    """Runs `command` and writes its output to `log`."""
    began = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    text = log.read_text(encoding="utf-8", errors="replace")
    peak_mb, processor_s = usage.ru_maxrss * 1.024 / 1000, usage.ru_utime + usage.ru_stime
    return ProcessUsage(seconds, peak_mb, os.waitstatus_to_exitcode(status), text, processor_s)


def run_checked(command: list[str], folder: Path) -> ProcessUsage:
    """Runs a program; exits with its output if it fails."""
    done = run_measured(command, folder / "log.txt")
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.output[-3000:]}")
    return done
