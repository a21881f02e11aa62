"""How many CT instances a second are received and safe on the disk, beside Debian's Orthanc in one run.

    python -m benchmarks.receive [--instances 274] [--repeats 3] [--long 5000]

DCMTK's storescu sends (TCP_NODELAY=1) from 1 and from 8 processes at once; the receivers take turns, so
that the disk and the machine's load are the same for both. Then `--long` instances go to the listener
alone, and its peak memory is read half-way and at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.ct_files import write_study
from benchmarks.receivers import free_port, orthanc, ours, peak_mb, system_tool

Receiver = Callable[[Path, int], AbstractContextManager[int]]
RECEIVERS: dict[str, Receiver] = {"Osteon": ours, "Orthanc": orthanc}
AT_ONCE = (1, 8)


def main() -> None:
    """Prints a line for each number of senders, and one for the memory."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        root = Path(temporary)
        studies = [write_study(root / f"study{n}", arguments.instances) for n in range(max(AT_ONCE))]
        for senders in AT_ONCE:
            print_rates(senders, rates_in_turns(root, studies[:senders], arguments.repeats))
        if arguments.long:
            print_memory(arguments.long, *long_run(root, arguments.long))


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=274, help="instances of each study")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each receiver")
    parser.add_argument("--long", type=int, default=5000, help="instances for the memory; 0: none")
    parser.add_argument("--folder", type=Path, help="where to work; its disk is the one that is measured")
    return parser.parse_args()


def rates_in_turns(root: Path, studies: Sequence[Path], repeats: int) -> dict[str, list[float]]:
    """Instances a second of each turn."""
    rates: dict[str, list[float]] = {name: [] for name in RECEIVERS}
    for _ in range(repeats):
        for name, receiver in RECEIVERS.items():
            rates[name].append(rate(root / "received", studies, receiver))
    return rates


def rate(folder: Path, studies: Sequence[Path], receiver: Receiver) -> float:
    """Instances a second with one sender for each study."""
    port = free_port()
    os.sync()
    try:
        with receiver(folder, port):
            seconds = send(studies, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sum(len(list(study.iterdir())) for study in studies) / seconds


def send(studies: Sequence[Path], port: int) -> float:
    """Seconds until the last of the senders was told that all it sent is stored."""
    command = [
        system_tool("storescu"), "-aet", "CT1", "-aec", "OSTEON", "-pdu", "131072", "+sd",
        "127.0.0.1", str(port),
    ]
    began = time.perf_counter()
    environment = {**os.environ, "TCP_NODELAY": "1"}
    senders = [subprocess.Popen([*command, str(study)], env=environment) for study in studies]
    codes = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - began
    if any(codes):
        raise RuntimeError(f"expected storescu to send everything, it ended with {codes}")
    return seconds


def long_run(root: Path, instances: int) -> tuple[float, float]:
    """Peak memory of the listener in MB after half the instances, and after all, from 8 senders."""
    port, share = free_port(), instances // (2 * max(AT_ONCE))
    peaks = []
    with ours(root / "received", port) as pid:
        for half in range(2):
            studies = [write_study(root / f"long{half}-{n}", share) for n in range(max(AT_ONCE))]
            send(studies, port)
            peaks.append(peak_mb(pid))
            for study in studies:
                shutil.rmtree(study)
    return peaks[0], peaks[1]


def print_rates(senders: int, rates: dict[str, list[float]]) -> None:
    """The median and range of each receiver, and the ratio."""
    for name, found in rates.items():
        print(
            f"{senders} at once: {name:8} median {statistics.median(found):6.0f} instances/s,"
            f" {min(found):.0f} to {max(found):.0f}", flush=True,
        )
    ratio = statistics.median(rates["Osteon"]) / statistics.median(rates["Orthanc"])
    print(f"{senders} at once: ratio {ratio:.2f}", flush=True)


def print_memory(instances: int, half_mb: float, whole_mb: float) -> None:
    """Peaks of the long run."""
    print(
        f"peak memory of the listener: {half_mb:.0f} MB after {instances // 2} instances,"
        f" {whole_mb:.0f} MB after {instances}"
    )


if __name__ == "__main__":
    main()
