"""The processes of a node: a listener, a sender, and workers. Each function runs until it is told to stop."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from multiprocessing.synchronize import Event as ProcessEvent

import structlog

from app.node import metrics
from app.node.audit import SOURCE, AuditTrail, Participant
from app.node.inbox import Inbox
from app.node.job import Json
from app.node.process import InHand
from app.node.reception import Received, Store
from app.settings import Settings

log = structlog.get_logger()

# How often the queues are looked at; each look is a read of the database. The worker waits for its next
# study, a delivery goes beside the next segmentation.
STUDIES_POLL_S, DELIVERIES_POLL_S = 0.02, 0.1
DELIVERIES_AT_ONCE = 2
MEGABYTE = 1_000_000


def listener_part(settings: Settings, ready: ProcessEvent, stop: threading.Event) -> None:
    """Receives."""
    from app.node.listener import Listener

    node = settings.node
    inbox = Inbox(node.data, "listener")
    inbox.recover()
    store = Store(inbox, node.minimum_free_mb * MEGABYTE, teller(), received_by(settings))
    listener = Listener(node, store)
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    begin(ready)
    log.info("listening", port=listener.port, ae_title=node.ae_title)
    stop.wait()
    listener.stop(node.grace_s)


def received_by(settings: Settings) -> Callable[[str, str, Counter[str]], None]:
    """Writes what a peer sent into the audit trail."""
    trail = audit_trail(settings)

    def ended(calling_ae: str, address: str, images: Counter[str]) -> None:
        trail.received(Participant(calling_ae, address, SOURCE, True), images)

    return ended


def audit_trail(settings: Settings) -> AuditTrail:
    """The file that all parts append to."""
    node = settings.node
    return AuditTrail(node.data / "audit.xml", node.ae_title, lambda: datetime.now().astimezone())


def teller() -> Callable[[Received], None]:
    """Counts and logs what was received."""
    counter, size = metrics.received(), metrics.received_bytes()

    def tell(received: Received) -> None:
        outcome = received.outcome.value if received.outcome else f"refused_{received.status:04x}"
        counter.labels(outcome).inc()
        size.inc(received.size)
        if outcome not in ("stored", "duplicate"):
            uid = received.instance.sop_instance_uid if received.instance else ""
            log.warning("instance_not_stored", outcome=outcome, sop_instance_uid=uid)

    return tell


def worker_part(settings: Settings, executor_id: str, ready: ProcessEvent, stop: threading.Event) -> None:
    """Segments studies, one at a time, with its networks loaded."""
    from dbos import DBOS

    from app.node.database import STUDIES, executor_configuration
    from app.node.segmenting import Segmenter
    from app.node.time_limit import TimeLimited
    from app.node.workflow import define_segmenting
    from app.series_job import loaded_graph
    from operators.imaging.package_file import read_packages

    packages = read_packages(settings.models)
    in_hand = InHand()
    segmenter = Segmenter(settings, packages, loaded_graph(settings, packages))
    limited = TimeLimited(
        segmenter, settings.node, in_hand, metrics.stage_seconds(), metrics.step_seconds()
    )
    DBOS(config=executor_configuration(settings.node, executor_id))
    define_segmenting(settings.node, limited)
    DBOS.listen_queues([STUDIES])
    DBOS.launch()
    DBOS.register_queue(STUDIES, worker_concurrency=1, polling_interval_sec=STUDIES_POLL_S)
    begin(ready)
    log.info("worker_ready", executor=executor_id, packages=[package.name for package in packages])
    stop.wait()
    in_hand.wait(settings.node.grace_s)


def sender_part(settings: Settings, executor_id: str, ready: ProcessEvent, stop: threading.Event) -> None:
    """Delivers."""
    from dbos import DBOS

    from app.node.database import delivery_queue, executor_configuration
    from app.node.sender import attempt, confirm
    from app.node.workflow import Attempt, define_delivering

    node, in_hand, counter = settings.node, InHand(), metrics.deliveries()

    def counted(delivery: Json) -> Attempt:
        with in_hand.work():
            outcome = attempt(delivery, node, audit_trail(settings))
        counter.labels(delivery["peer"], outcome.state).inc()
        return outcome

    DBOS(config=executor_configuration(node, executor_id))
    define_delivering(node, counted, lambda delivery: confirm(delivery, node))
    queues = [delivery_queue(peer.name) for peer in node.destinations]
    DBOS.listen_queues(queues)
    DBOS.launch()
    for queue in queues:
        DBOS.register_queue(
            queue, worker_concurrency=DELIVERIES_AT_ONCE, polling_interval_sec=DELIVERIES_POLL_S
        )
    begin(ready)
    stop.wait()
    in_hand.wait(min(node.grace_s, node.network_s))


def begin(ready: ProcessEvent) -> None:
    """What has been loaded lives as long as the process: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    ready.set()


def executor_name(role: str, number: int = 0) -> str:
    """Distinct on every machine that shares the database, and the same after a restart."""
    return f"{os.uname().nodename}-{role}-{number}"


def now_s() -> float:
    """Of a clock that never jumps."""
    return time.monotonic()
