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
SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


def use_folder(folder: Path) -> None:
    """Clears the metrics folder and names it in the environment, before the other processes are started."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[VARIABLE] = str(folder)


def received() -> Counter:
    """Returns the counter of offered instances, by outcome."""
    from prometheus_client import Counter

    return Counter("osteon_instances_received", "Instances offered to the node", ["outcome"])


def rejections() -> Counter:
    """Returns the counter of rejected associations, by `admission.Reason`."""
    from prometheus_client import Counter

    return Counter("osteon_associations_rejected", "Associations rejected", ["reason"])


def received_bytes() -> Counter:
    """Returns the counter of bytes of completely received instances."""
    from prometheus_client import Counter

    return Counter("osteon_received_bytes", "Bytes of received instances")


def stage_seconds() -> Histogram:
    """Returns the histogram of the durations of the image path's stages."""
    from prometheus_client import Histogram

    return Histogram("osteon_stage_seconds", "Seconds for each stage", ["stage"], buckets=SECONDS)


def step_seconds() -> Histogram:
    """Returns the histogram of the durations of a worker's durable steps.

    Between steps a study waits for the queue and the database.
    """
    from prometheus_client import Histogram

    return Histogram("osteon_step_seconds", "Seconds for each durable step", ["step"], buckets=SECONDS)


def messages() -> Counter:
    """Returns the counter of messages to people, by target and outcome."""
    from prometheus_client import Counter

    return Counter("osteon_messages", "Messages sent or attempted", ["target", "state"])


def deliveries() -> Counter:
    """Returns the counter of delivery attempts, by destination and outcome."""
    from prometheus_client import Counter

    return Counter("osteon_deliveries", "Delivery attempts", ["peer", "state"])
