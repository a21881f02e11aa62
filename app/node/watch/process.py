"""The node's child processes: each can be killed without harm, and ends with its parent."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import structlog

from app.library_messages import error_values, frames_of
from app.node.watch.backoff import Backoff
from app.node.watch.heartbeat import SPAWN, Heartbeat, Life, StopSignal
from operators.errors import OsteonError, TransientError, as_osteon_error

log = structlog.get_logger()

# Pauses before a process that has ended is restarted
BACKOFF = Backoff(0.5, 30.0)
# After this time a process counts as having worked, and its next failure as a new one.
WELL_S = 60.0
# Without a heartbeat for this long, a process is unhealthy, and is killed and restarted, respectively. Native
# code may block all other threads of a process for seconds.
SILENT_S, STUCK_S = 15.0, 60.0
REASON_BYTES = 2000


class PartError(OsteonError):
    """A part cannot start, and a restart will not help."""

    def __init__(self, text: str, code: str, exit_code: int) -> None:
        super().__init__(text, code=code)
        self.exit_code = exit_code


@dataclass
class ServicePart:
    """A child process that is restarted whenever it ends."""

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]
    ready: ProcessEvent = field(default_factory=SPAWN.Event)
    process: Any = None
    started_s: float = 0.0
    pause_s: float = BACKOFF.first_s
    restarts: int = -1
    began_well: bool = False
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    reason: Any = field(default_factory=lambda: SPAWN.RawArray(ctypes.c_char, REASON_BYTES))

    def start(self, now_s: float) -> None:
        """Starts the process, which sets `ready` when it can work. Raises OSError if it cannot be created."""
        self.ready.clear()
        self.heartbeat.beat()
        self.reason.value = b""
        # This counts as an attempt even if it fails: the next one waits for the pause
        self.started_s, self.restarts, self.process = now_s, self.restarts + 1, None
        process = SPAWN.Process(
            target=run_part,
            args=(self.name, self.target, self.ready, self.heartbeat, self.reason, self.arguments),
            name=self.name,
        )
        process.start()
        self.process = process

    @property
    def is_alive(self) -> bool:
        """Returns whether the process runs."""
        return self.process is not None and bool(self.process.is_alive())

    @property
    def is_well(self) -> bool:
        """Returns whether the process runs and is ready for work."""
        return self.is_alive and self.ready.is_set()

    def is_silent(self, now_s: float, longest_s: float = SILENT_S) -> bool:
        """Returns whether the process is ready, but has sent no heartbeat for longer than `longest_s`."""
        return self.is_well and self.heartbeat.age_s(now_s) > longest_s

    def is_stuck(self, now_s: float) -> bool:
        """Returns whether the process has been silent for so long that it should be killed."""
        return self.is_silent(now_s, STUCK_S)

    def look_after(self, now_s: float) -> None:
        """Restarts the process if it has ended, with longer pauses while it keeps failing.

        Raises PartError if it could not start for a reason that will not pass.
        """
        if self.is_stuck(now_s):
            log.error("part_stuck", name=self.name)
            self.process.kill()
            self.process.join()
        if self.is_alive:
            self.began_well = self.began_well or self.ready.is_set()
            return
        if self.process is not None:
            self._ended(now_s)
        if self.restarts < 0 or now_s - self.started_s >= self.pause_s:
            self.start(now_s)

    def _ended(self, now_s: float) -> None:
        reason = reason_of(self.reason.value)
        log.error("part_ended", name=self.name, exit_code=self.process.exitcode, code=reason.get("code", ""))
        if reason.get("is_lasting") and not self.began_well:
            raise PartError(f"{self.name}: {reason['sentence']}", reason["code"], self.process.exitcode)
        was_well = now_s - self.started_s > WELL_S
        self.pause_s = BACKOFF.first_s if was_well else BACKOFF.after(self.pause_s)
        self.process = None

    def end(self, within_s: float) -> None:
        """Waits at most `within_s` for the process to end, then kills it."""
        if not self.is_alive:
            return
        self.process.join(within_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run_part(
    name: str,
    target: Callable[..., None],
    ready: ProcessEvent,
    heartbeat: Heartbeat,
    reason: Any,
    arguments: tuple[Any, ...],
) -> None:
    """Runs a part as the main function of a child process."""
    from app.node.watch.logs import configure_logs

    stop = StopSignal()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=die_with_parent, daemon=True).start()
    configure_logs(name)
    # What `ps -o comm` shows
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)
    threading.excepthook = log_failed_thread
    try:
        target(*arguments, Life(ready, heartbeat, stop))
    except Exception as error:
        os._exit(report_failure(error, reason))
    os._exit(0)


def report_failure(error: Exception, reason: Any) -> int:
    """Writes the error to the log and, for the node, to `reason`; returns the exit code."""
    known = as_osteon_error(error)
    log.error("part_failed", **({"sentence": str(known)} if known else {}), **error_values(error))
    if known is None:
        return OsteonError.exit_code
    is_lasting = not isinstance(known, TransientError)
    reason.value = encoded_reason(known.code, str(known), is_lasting)
    return known.exit_code


def encoded_reason(code: str, sentence: str, is_lasting: bool) -> bytes:
    """Encodes a reason as JSON of less than `REASON_BYTES`, shortening the sentence if necessary."""
    content = {"code": code, "sentence": sentence, "is_lasting": is_lasting}
    encoded = json.dumps(content).encode()
    if len(encoded) < REASON_BYTES:
        return encoded
    return encoded_reason(code, sentence[: len(sentence) // 2], is_lasting)


def reason_of(content: bytes) -> dict[str, Any]:
    """Decodes the reason that a part wrote before it ended; {} if it was killed while writing."""
    try:
        return dict(json.loads(content or b"{}"))
    except ValueError:
        return {}


def log_failed_thread(failed: threading.ExceptHookArgs) -> None:
    """Logs a thread that failed; others go on, as when a broken association ends its own threads only."""
    trace = frames_of(failed.exc_value) if failed.exc_value else ""
    log.warning("thread_ended", error=failed.exc_type.__name__, traceback=trace)


def end_with_thread(failed: threading.ExceptHookArgs) -> None:
    """Ends a process whose thread failed, as it might get no more work; its successor continues the work."""
    log_failed_thread(failed)
    os._exit(1)


def die_with_parent() -> None:
    """Ends this process when the node ends, however it ends, so that its port and its jobs become free."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class InHand:
    """Counts the work in progress of a process, so that the process can stop when there is none."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Marks a piece of work as in progress within the context."""
        with self.lock:
            self.count += 1
        try:
            yield
        finally:
            with self.lock:
                self.count -= 1

    def wait(self, within_s: float) -> None:
        """Waits until no work is in progress, at most `within_s`."""
        deadline = time.monotonic() + within_s
        while self.count and time.monotonic() < deadline:
            time.sleep(0.05)
