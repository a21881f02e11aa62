"""Runs `osteon serve` and Orthanc as processes."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from app.node.queue.database import open_connection
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import ENDS, JobState
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from tests.support.node.node_cases import system_tool
from tests.support.packages.synthetic_packages import write_package

START_S = 120.0
MAIN = "from app.cli.commands import main; main()"
# Orthanc's DICOMweb plugin, at Debian's path
DICOM_WEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


# Below those that systems give outgoing connections, and others for each process that runs tests
PORTS = itertools.count(10_000 + 1000 * (os.getpid() % 20))


def free_port() -> int:
    """Returns a port on which nothing listens, and which this function has not returned before."""
    return next(port for port in PORTS if is_free(port))


def is_free(port: int) -> bool:
    """Returns whether a port can be bound."""
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def until(true: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Waits until `true` returns a true value, and returns it. Raises AssertionError on timeout."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"expected {true} within {within_s} s")


def fetched(url: str, content: bytes | None = None, method: str = "GET") -> Any:
    """Returns the JSON or text at an address; None without an answer."""
    try:
        with urlopen(Request(url, data=content, method=method), timeout=START_S) as answer:
            text = answer.read().decode()
    except HTTPError:
        return None
    except (URLError, OSError):
        return None
    return json.loads(text) if text[:1] in ("{", "[") else text


class Served:
    """A running node."""

    def __init__(self, root: Path, peers: tuple[dict[str, Any], ...], **node: Any) -> None:
        self.root, self.models = root, root / "models"
        if not self.models.exists():
            write_package(self.models / "bones", sees_bone=True)
        values = {
            "host": "127.0.0.1",
            "port": free_port(),
            "http_port": free_port(),
            "data": str(root / "data"),
            "peers": peers,
            "quiet_s": 1.0,
            "minimum_free_mb": 0,
            "network_s": 5.0,
            "grace_s": 10.0,
        } | node
        self.node = NodeSettings.model_validate(values)
        self.port = self.node.port
        self.process: subprocess.Popen[bytes] | None = None
        self.configuration = root / "app.yaml"
        content = {"osteon": {"models": str(self.models), "node": self.node.model_dump(mode="json")}}
        self.configuration.write_text(json.dumps(content), encoding="utf-8")

    def start(
        self, wait: bool = True, within: Sequence[str] = (), before: str = "", **environment: str
    ) -> Served:
        """Starts the node in its own process group, so that all of it can be killed at once.

        `within` is a command that runs the node; `before` is code that its first process runs first.
        """
        with (self.root / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-c", f"{before}\n{MAIN}", "serve"],
                env={**os.environ, "HOLOSCAN_CONFIG_PATH": str(self.configuration), **environment},
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        if wait:
            until(self.is_well, START_S)
        return self

    def is_well(self) -> bool:
        """Returns whether all parts are ready."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return bool(fetched(f"http://127.0.0.1:{self.node.http_port}/health"))

    def metrics(self) -> str:
        """Returns the metrics as Prometheus reads them."""
        return str(fetched(f"http://127.0.0.1:{self.node.http_port}/metrics"))

    def log(self) -> str:
        """Returns the node's log."""
        return (self.root / "node.log").read_text()

    def jobs(self) -> list[JobState]:
        """Returns the jobs from the database."""
        client = open_connection(self.node)
        try:
            return list_jobs(client)
        finally:
            client.destroy()

    def ended_jobs(self, count: int) -> list[JobState]:
        """Waits until `count` jobs have ended; returns the jobs."""
        jobs = self.jobs()
        return jobs if sum(job.state in ENDS for job in jobs) >= count else []

    def part(self, name: str) -> int:
        """Returns the process id of a part by its name; the first of several workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        named = {Path(f"/proc/{child}/comm").read_text().strip(): int(child) for child in children}
        return named[name if name != "worker" else "worker-0"]

    def kill(self) -> None:
        """Kills all processes with SIGKILL."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Kills the node if it is running."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def stop(self) -> int:
        """Stops the node with SIGTERM; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(START_S)


class Orthanc:
    """Debian's Orthanc as PACS: AE title PACS, no passwords, the node as its only modality."""

    def __init__(self, root: Path) -> None:
        self.port, self.http_port, self.root = free_port(), free_port(), root
        root.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    def configuration(self, node_port: int, changes: dict[str, Any]) -> Path:
        """Writes Orthanc's configuration file."""
        root, path = self.root, self.root / "orthanc.json"
        content = {
            "Name": "PACS",
            "StorageDirectory": str(root / "store"),
            "IndexDirectory": str(root / "store"),
            "HttpPort": self.http_port,
            "DicomPort": self.port,
            "DicomAet": "PACS",
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {"osteon": ["OSTEON", "127.0.0.1", node_port]},
            "OverwriteInstances": True,
            "Plugins": [],
        } | changes
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def start(self, node_port: int = 104, **changes: Any) -> Orthanc:
        """Starts Orthanc, with a node at `node_port`, and waits until it answers."""
        path = self.configuration(node_port, changes)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [system_tool("Orthanc"), str(path)],
                stdout=log,
                stderr=log,
                env={**os.environ, "TCP_NODELAY": "1"},
            )
        until(lambda: self.get("system"), START_S)
        return self

    def stop(self) -> None:
        """Kills Orthanc."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> Any:
        """Of its REST API."""
        return fetched(f"http://127.0.0.1:{self.http_port}/{path}")

    def post(self, path: str, content: bytes) -> Any:
        """Of its REST API."""
        return fetched(f"http://127.0.0.1:{self.http_port}/{path}", content, "POST")

    def file(self, instance: str) -> bytes:
        """Returns a stored instance by Orthanc's identifier."""
        with urlopen(f"http://127.0.0.1:{self.http_port}/instances/{instance}/file", timeout=10) as answer:
            return bytes(answer.read())

    def upload(self, folder: Path) -> None:
        """Uploads every file of a folder."""
        for path in sorted(folder.rglob("*.dcm")):
            assert self.post("instances", path.read_bytes())

    def route(self, study_instance_uid: str) -> None:
        """Sends a study to the node."""
        (study,) = self.post("tools/lookup", study_instance_uid.encode())
        assert self.post("modalities/osteon/store", study["ID"].encode())

    def segs(self) -> list[dict[str, Any]]:
        """Returns the tags of every SEG."""
        return self.results("SEG")

    def results(self, modality: str) -> list[dict[str, Any]]:
        """Returns the tags of every instance of a modality."""
        return [
            self.get(f"instances/{instance}/simplified-tags")
            for series in self.get("series?expand")
            if series["MainDicomTags"].get("Modality") == modality
            for instance in series["Instances"]
        ]

    def as_peer(self, **changes: Any) -> dict[str, Any]:
        """Returns the node's settings of this peer."""
        peer = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": self.port, "receives": True}
        return Peer.model_validate(peer | changes).model_dump(mode="json")
