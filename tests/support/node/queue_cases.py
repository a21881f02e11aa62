"""Runs the real queues in this process with a scripted segmenter and sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dbos import DBOS, WorkflowStatus

from app.node.queue.abandoned import Running
from app.node.queue.database import (
    REPORT,
    STUDIES,
    WORKFLOW_VERSION,
    delivery_queue,
    executor_configuration,
    report_queue,
)
from app.node.queue.job import Json
from app.node.queue.queued_work import QueuedWork
from app.node.queue.replacing import Corrects, define_replacing
from app.node.queue.workflow import (
    DELIVER,
    SEGMENT,
    Attempt,
    Segments,
    define_delivering,
    define_repeating,
    define_segmenting,
)
from app.node.settings.configuration import NodeSettings
from app.node.watch.loops import Loop

FILES = [{"kind": kind, "file": f"{kind}.dcm"} for kind in ("seg", "sr", "sc")]
SEGMENTED: Json = {"state": "segmented", "code": "", "sentence": "", "files": FILES}
DELIVERED = Attempt("delivered")


def input_of(row: WorkflowStatus) -> Any:
    """Returns the first argument that a workflow was queued with."""
    assert row.input is not None
    return row.input["args"][0]


@dataclass
class ScriptedSegmenter:
    """A segmenter of studies with one series, which ends with `outcome`; records the studies."""

    outcome: Callable[[], Json] = lambda: SEGMENTED
    studies: list[str] = field(default_factory=list)

    def decide(self, values: Json) -> Json:
        """Selects one series."""
        self.studies.append(values["study_instance_uid"])
        return {"state": "decided", "selected": 1, "refusals": []}

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Returns `outcome`."""
        assert (values["study_instance_uid"], list(numbers)) == (self.studies[-1], [0])
        return self.outcome()


@contextmanager
def worked_off(
    settings: NodeSettings,
    segmenter: Segments,
    attempt: Callable[[Json], Attempt] | None = None,
    report: Callable[[Json], Attempt] = lambda _: DELIVERED,
    version: str = WORKFLOW_VERSION,
    announce: Callable[[Json, Json], None] = lambda _, __: None,
    corrector: Corrects | None = None,
) -> Iterator[None]:
    """Processes studies, commitment reports, corrections if asked, and deliveries with an `attempt`."""
    DBOS(config=executor_configuration(settings, "test", version))
    define_repeating(REPORT, "report", settings.commitment_s, report, Running(), settings.data)
    queues = [STUDIES, *(report_queue(peer.name) for peer in settings.sources)]
    define_segmenting(settings, segmenter, Running(), announce)
    if corrector is not None:
        define_replacing(settings, corrector, Running())
    if attempt is not None:
        define_delivering(settings, attempt, lambda _: DELIVERED, Running())
        queues += [delivery_queue(peer.name) for peer in settings.destinations]
    DBOS.listen_queues(queues)
    adopting = Loop("queued-work", QueuedWork(settings, [SEGMENT, DELIVER, REPORT], version).adopt, 0.1, 60)
    DBOS.launch()
    try:
        for queue in queues:
            DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=0.04)
        adopting.start()
        yield
    finally:
        adopting.stopping.set()
        DBOS.destroy(destroy_registry=True)
