"""Runs the listener as a process, so that it can be killed and its memory measured."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.support.node.node_processes import free_port

PROGRAM = """
import sys
from pathlib import Path
from tests.support.node.node_cases import Running, node_settings
running = Running(node_settings(Path(sys.argv[1]), port=int(sys.argv[2])))
running.inbox.recover()
running.listener.serve()
"""
START_S = 120.0


class ListenerProcess:
    """A listener process that is ready once constructed."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(data), str(self.port)])
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, "expected a listener, it ended"
            assert time.monotonic() < deadline, f"expected a listener within {START_S} s"

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            time.sleep(0.02)
            return False
        return True

    def peak_mb(self) -> float:
        """Returns the peak resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kilobytes) / 1024

    def kill(self) -> None:
        """Ends the process with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
