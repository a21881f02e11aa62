"""The two receivers that are compared, each a process of its own: our listener and Debian's Orthanc."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 30.0
POLL_S = 0.05


@contextmanager
def ours(folder: Path, port: int) -> Iterator[int]:
    """Our listener with its inbox in `folder`; yields the process id."""
    command = [sys.executable, "-m", "benchmarks.receivers", str(folder), str(port)]
    with running(command, port) as pid:
        yield pid


@contextmanager
def orthanc(folder: Path, port: int) -> Iterator[int]:
    """Orthanc as Debian configures it (it fsyncs too), with a thread for each of our senders."""
    folder.mkdir(parents=True)
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps({
        "Name": "peer", "DicomPort": port, "DicomAet": "OSTEON", "HttpServerEnabled": False,
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"),
        "DicomAlwaysAllowStore": True, "DicomThreadsCount": 8, "SyncStorageArea": True,
    }))
    with running([system_tool("Orthanc"), str(settings)], port) as pid:
        yield pid


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A process that listens on `port`, ended at the end."""
    with Path("/dev/null").open("wb") as nowhere:
        # Orthanc is built on DCMTK, which reads this and would wait for acknowledgements otherwise
        environment = {**os.environ, "TCP_NODELAY": "1"}
        process = subprocess.Popen(command, stdout=nowhere, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(START_S)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the port answers; raises RuntimeError where the process ends instead."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(POLL_S)
    raise RuntimeError(f"expected {process.args!r} to listen on port {port}, it did not")


def system_tool(name: str) -> str:
    """A tool of the system; pynetdicom brings namesakes of DCMTK's into the virtual environment."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin")
    if not found:
        raise SystemExit(f"expected {name}; `apt-get install dcmtk orthanc` installs it")
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def peak_mb(pid: int) -> float:
    """Peak resident memory of a running process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) * 1.024 / 1000


def listen(folder: Path, port: int) -> None:
    """Serves until it is ended."""
    from app.node.configuration import NodeSettings, Peer
    from app.node.inbox import Inbox
    from app.node.listener import Listener
    from app.node.reception import Store

    settings = NodeSettings(
        host="127.0.0.1", port=port, data=folder, peers=(Peer(name="ct1", ae_title="CT1"),), minimum_free_mb=0
    )
    Listener(settings, Store(Inbox(folder), 0, lambda _: None)).serve()


if __name__ == "__main__":
    listen(Path(sys.argv[1]), int(sys.argv[2]))
