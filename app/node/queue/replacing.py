"""The durable workflow that makes the results of a corrected SEG, then sends them in place of those before.

Each destination is first sent the rejection note of what it has; only when it has taken that, the corrected
results. Both are deliveries of their own, and the first queues the second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from dbos import DBOS

from app.node.queue.abandoned import Running
from app.node.queue.job import Json
from app.node.queue.outcomes import name_failure
from app.node.queue.workflow import SEGMENT_PATIENCE_S, delivery_of, queue_delivery, retry_step
from app.node.settings.configuration import NodeSettings

REPLACE = "replace_results"
# Separates the id of a job from the number of the replacement in its id
REPLACEMENT = "~"


class Corrects(Protocol):
    """The step of a worker for corrected results (`segmenting.Segmenter`)."""

    def correct(self, values: Json) -> Json:
        """Makes the results of a corrected SEG."""


def define_replacing(settings: NodeSettings, corrector: Corrects, running: Running) -> Callable[[Json], Json]:
    """Registers the workflow that replaces results; to be called before DBOS is launched."""

    @DBOS.step(name="correct")
    def correct(values: Json) -> Json:
        return name_failure(values["job"], lambda: corrector.correct(values))

    @DBOS.workflow(name=REPLACE, max_recovery_attempts=settings.crash_limit)
    def replace_results(values: Json) -> Json:
        with running.this():
            made = retry_step(partial(correct, values), SEGMENT_PATIENCE_S, settings.data)
            if made["state"] == "segmented":
                send_in_place(values, made["files"], settings)
            return made

    return replace_results


def send_in_place(values: Json, files: list[Json], settings: NodeSettings) -> None:
    """Queues what each destination is sent; a repeated call queues the same.

    `values["places"]` has for each the name of the delivery, and the one that withdraws what it has, if it
    has anything. A destination that was removed from the settings since is left out.
    """
    peers = {peer.name: peer for peer in settings.destinations}
    for place in (place for place in values["places"] if place["peer"] in peers):
        peer, kept = peers[place["peer"]], place["kept"]
        later = delivery_of(values["job"]["job_id"], peer, [*files, *kept]) | {"name": place["name"]}
        queue_delivery(place["note"] | {"then": later} if place["note"] else later)
