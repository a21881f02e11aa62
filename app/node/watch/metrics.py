"""Metrics for Prometheus. Several processes count; their counts meet in files of `metrics_folder`.

The folder is named in the environment before prometheus_client is imported, as that wants it.
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
    """For the process that starts the others, before it does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[VARIABLE] = str(folder)


def received() -> Counter:
    """Instances that were offered, by what became of them."""
    from prometheus_client import Counter

    return Counter("osteon_instances_received", "Instances offered to the node", ["outcome"])


def rejections() -> Counter:
    """Associations that were rejected; the reasons are those of `admission.Reason`."""
    from prometheus_client import Counter

    return Counter("osteon_associations_rejected", "Associations rejected", ["reason"])


def received_bytes() -> Counter:
    """Bytes of those that were whole."""
    from prometheus_client import Counter

    return Counter("osteon_received_bytes", "Bytes of received instances")


def stage_seconds() -> Histogram:
    """How long the stages of the image path take."""
    from prometheus_client import Histogram

    return Histogram("osteon_stage_seconds", "Seconds for each stage", ["stage"], buckets=SECONDS)


def step_seconds() -> Histogram:
    """How long a worker's durable steps take; between them a study waits for the queue and the database."""
    from prometheus_client import Histogram

    return Histogram("osteon_step_seconds", "Seconds for each durable step", ["step"], buckets=SECONDS)


def deliveries() -> Counter:
    """Tries to deliver, by destination and outcome."""
    from prometheus_client import Counter

    return Counter("osteon_deliveries", "Tries to deliver", ["peer", "state"])
