"""Metrics for Prometheus, counted by several processes in the files of one folder.

prometheus_client requires that the environment names the folder before it is imported.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# By name: what is counted, and the labels
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "osteon_instances_received": ("Instances offered to the node", ("outcome",)),
    "osteon_received_bytes": ("Bytes of received instances", ()),
    "osteon_associations_rejected": ("Associations rejected", ("reason",)),  # admission.Reason
    "osteon_deliveries": ("Delivery attempts", ("peer", "state")),
    "osteon_messages": ("Messages sent or attempted", ("target", "state")),
}
# By name: whose durations, and the labels; between the steps of a worker a study waits for queue and database
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "osteon_stage_seconds": ("Seconds for each stage", ("stage",)),
    "osteon_step_seconds": ("Seconds for each durable step", ("step",)),
}
SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


def use_folder(folder: Path) -> None:
    """Clears the metrics folder and names it in the environment, before the other processes are started."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[VARIABLE] = str(folder)


def counter(name: str) -> Counter:
    """Returns a counter of COUNTERS, which a process makes once."""
    from prometheus_client import Counter

    text, labels = COUNTERS[name]
    return Counter(name, text, labels)


def histogram(name: str) -> Histogram:
    """Returns a histogram of HISTOGRAMS, which a process makes once."""
    from prometheus_client import Histogram

    text, labels = HISTOGRAMS[name]
    return Histogram(name, text, labels, buckets=SECONDS)
