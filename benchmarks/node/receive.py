"""Compares how fast the node and Orthanc receive CT series over loopback.

    python -m benchmarks.node.receive [--slices 274] [--repeats 5] [--senders 8] [--many 5000]
        [--data FOLDER]

DCMTK's storescu sends (TCP_NODELAY=1, PDUs of 128 KB) to both in turns, so that the load of disk and machine
is the same for both. Both store on the same file system and sync each file. Nothing is deleted between turns:
for every new file ext4 skips each inode deleted in the last minutes, and it discards blocks during other
commits.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.settings import Settings
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu, system_tool
from tests.support.node.node_processes import Orthanc, free_port, until
from training.command_line import run

LISTEN = """
import sys, multiprocessing, threading
from app.node.service.parts import listener_part
from app.settings import Settings
settings = Settings.model_validate_json(sys.argv[1])
listener_part(settings, multiprocessing.Event(), threading.Event())
"""


@dataclass(frozen=True)
class Receiver:
    """A server to send to, and the call that empties its store."""

    name: str
    port: int
    forget: Callable[[], None]


def main(
    *, slices: int = 274, repeats: int = 5, senders: int = 8, many: int = 5000, data: Path | None = None
) -> None:
    """Prints rates in instances per second, ratios, and the listener's memory.

    As many series as `senders`, of `slices` instances each, are sent `repeats` times to each receiver, and
    `many` instances to measure memory with. `data` is a folder on the disk to be measured.
    """
    with tempfile.TemporaryDirectory(dir=data) as temporary:
        root = Path(temporary)
        series = [write_series(root / "ct" / str(n), slices, n) for n in range(senders)]
        orthanc = Orthanc(root / "pacs").start()
        process, node = start_listener(root / "node")
        try:
            receivers = (node, Receiver("orthanc", orthanc.port, lambda: begin_anew(orthanc)))
            print(f"disk alone, one file at a time: {disk_alone(root, slices):.0f}/s", flush=True)
            compare(receivers, series, repeats)
            flood(node, process, series, many)
        finally:
            process.kill()
            orthanc.stop()


def write_series(folder: Path, slices: int, study: int) -> Path:
    """Writes a series of noise, 512 x 512: 525 KB a slice."""
    hu = np.random.default_rng(study).integers(-1000, 1000, (512, 512, 1), dtype=np.int16)
    volume = np.repeat(hu, slices, axis=2)
    phantoms.write_ct(folder, volume, phantoms.axial_affine(), study=study + 1)
    return folder


def start_listener(root: Path) -> tuple[subprocess.Popen[bytes], Receiver]:
    """Starts the node's listener alone, as `osteon serve` does."""
    peer = Peer(name="ct1", ae_title="CT1")
    node = NodeSettings(host="127.0.0.1", port=free_port(), data=root, peers=(peer,), minimum_free_mb=0)
    settings = Settings(node=node)
    command = [sys.executable, "-c", LISTEN, settings.model_dump_json()]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    echo = [system_tool("echoscu"), "-aet", "CT1", "-aec", "OSTEON", "127.0.0.1", str(node.port)]
    until(lambda: subprocess.run(echo, capture_output=True, check=False).returncode == 0, 60)

    return process, Receiver("osteon", node.port, lambda: set_aside(root / "inbox", keep=True))


def begin_anew(orthanc: Orthanc) -> None:
    """Restarts Orthanc with an empty store."""
    orthanc.stop()
    set_aside(orthanc.root / "store")
    orthanc.start()


def set_aside(folder: Path, *, keep: bool = False) -> None:
    """Moves a folder's content aside, truncating files, and the folder itself unless `keep`."""
    aside = folder.parent / f"aside-{time.monotonic_ns()}"
    if keep:
        aside.mkdir()
        for path in folder.iterdir():
            path.rename(aside / path.name)
    else:
        folder.rename(aside)
    for path in aside.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    os.sync()


def send(folder: Path, port: int) -> None:
    """Sends a folder in one association."""
    code, text = storescu(port, "-pdu", 131072, "+sd", folder)
    assert code == 0, text


def rate(receiver: Receiver, folders: Sequence[Path], slices: int) -> float:
    """Returns instances per second, with all folders sent at once."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(lambda folder: send(folder, receiver.port), folders))
    seconds = time.perf_counter() - start
    receiver.forget()
    return len(folders) * slices / seconds


def disk_alone(root: Path, files: int) -> float:
    """Returns how many files of a slice's size are written and synced per second, the limit of one sender."""
    content, folder = bytes(525_000), root / "disk"
    folder.mkdir()
    start = time.perf_counter()
    for n in range(files):
        with (folder / str(n)).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    set_aside(folder)
    return files / seconds


def compare(receivers: Sequence[Receiver], series: Sequence[Path], repeats: int) -> None:
    """Compares the receivers in turns, with one sender and with all."""
    slices = len(list(series[0].iterdir()))
    for folders in (series[:1], series):
        rates: dict[str, list[float]] = {receiver.name: [] for receiver in receivers}
        for _ in range(repeats):
            for receiver in receivers:
                rates[receiver.name].append(rate(receiver, folders, slices))
        medians = {name: statistics.median(measured) for name, measured in rates.items()}
        for name, measured in rates.items():
            print(
                f"{len(folders)} senders, {name:8} median {medians[name]:.0f}/s, "
                f"{min(measured):.0f} to {max(measured):.0f}"
            )
        print(f"{len(folders)} senders, ratio {medians['osteon'] / medians['orthanc']:.2f}", flush=True)


def flood(node: Receiver, process: subprocess.Popen[bytes], series: Sequence[Path], many: int) -> None:
    """Prints the memory of the listener's processes while all senders send many instances."""
    listener = psutil.Process(process.pid)
    slices = len(list(series[0].iterdir()))
    sent, seen_mb = 0, []
    while sent < many:
        rate(node, series, slices)
        sent += len(series) * slices
        family = (listener, *listener.children(recursive=True))
        seen_mb.append(sum(each.memory_info().rss for each in family) / 1e6)
    print(
        f"listener's memory after each {len(series) * slices} of {sent}: "
        + ", ".join(f"{mb:.0f}" for mb in seen_mb)
        + " MB"
    )


if __name__ == "__main__":
    run(main, __doc__)
