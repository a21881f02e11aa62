"""The processes of a node: a listener, a sender, and workers. Each function runs until it is told to stop."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from app.node.queue.abandoned import LOOK_S, AbandonedWorkflows, Running
from app.node.queue.job import Json
from app.node.receive.admission import RejectionTeller, log_seldom
from app.node.receive.reception import Received, Store
from app.node.segment.time_limit import Deadline, TimeLimited
from app.node.send.sending_slots import SendingSlots
from app.node.settings.configuration import NodeSettings
from app.node.settings.ports import bound
from app.node.storage.disk import MEGABYTE
from app.node.storage.inbox import Inbox
from app.node.watch import metrics
from app.node.watch.audit import SOURCE, AuditTrail, Participant
from app.node.watch.heartbeat import Life
from app.node.watch.process import InHand, end_with_thread
from app.settings import Settings

log = structlog.get_logger()

# How often the queues are looked at; each look is a read of the database. The worker waits for its next
# study, a delivery goes beside the next segmentation, a report has time.
STUDIES_POLL_S, DELIVERIES_POLL_S, REPORTS_POLL_S = 0.02, 0.1, 0.5
# Deliveries to one peer that are being sent, and those that are under way: most of these wait, for the next
# try or for the peer's commitment, which may take a day; each takes a thread.
DELIVERIES_AT_ONCE, DELIVERIES_UNDER_WAY = 2, 128
LOOK_SILENT_S = 60.0


def listener_part(settings: Settings, life: Life) -> None:
    """Receives. Raises PortError, or UsageError for certificates that cannot be read."""
    from app.node.receive.listener import Listener

    node = settings.node
    inbox = Inbox(node.data, "listener")
    inbox.recover()
    store = Store(inbox, node.minimum_free_mb * MEGABYTE, teller(), received_by(settings))
    rejected = RejectionTeller(metrics.rejections(), audit_trail(settings), log_seldom())
    make = partial(Listener, node, store, partial(owe_report, node), rejected)
    listener = bound(make, node.host, node.port)
    # socketserver calls it at each turn of the loop that accepts connections
    listener.server.service_actions = life.heartbeat.beat  # type: ignore[method-assign]
    thread = threading.Thread(target=listener.serve, name="accept", daemon=True)
    thread.start()
    begin(life)
    log.info("listening", port=listener.port, ae_title=node.ae_title)
    life.until_stopped([thread], beats=False)
    listener.stop(node.grace_s)


def owe_report(node: NodeSettings, owed: Json) -> None:
    """Hands a storage commitment report to the senders; the database's library is loaded with the first."""
    from app.node.queue.database import enqueue_report

    enqueue_report(node, owed)


def received_by(settings: Settings) -> Callable[[str, str, Counter[str]], None]:
    """Writes what a peer sent into the audit trail."""
    trail = audit_trail(settings)

    def ended(calling_ae: str, address: str, images: Counter[str]) -> None:
        trail.received(Participant(calling_ae, address, SOURCE, True), images)

    return ended


def audit_trail(settings: Settings) -> AuditTrail:
    """The file that all parts append to."""
    node = settings.node
    path = node.audit or node.data / "audit.xml"
    return AuditTrail(path, node.ae_title, lambda: datetime.now().astimezone())


def teller() -> Callable[[Received], None]:
    """Counts and logs what was received."""
    counter, size = metrics.received(), metrics.received_bytes()

    def tell(received: Received) -> None:
        outcome = received.outcome.value if received.outcome else f"refused_{received.status:04x}"
        counter.labels(outcome).inc()
        size.inc(received.size)
        if outcome not in ("stored", "duplicate"):
            uid = received.instance.sop_instance_uid if received.instance else ""
            log.warning("instance_not_stored", outcome=outcome, code=received.code, sop_instance_uid=uid)

    return tell


def worker_part(settings: Settings, executor_id: str, deadline: Deadline, life: Life) -> None:
    """Segments studies, one at a time, with its networks loaded."""
    from dbos import DBOS

    from app.node.queue.database import STUDIES, answering, executor_configuration
    from app.node.queue.workflow import SEGMENT, define_segmenting
    from app.node.segment.next_study import reading_ahead
    from app.node.segment.segmenting import Segmenter
    from app.node.send.notices import announce_finding
    from app.packages_in_use import packages_in_use
    from app.run.series_job import loaded_graph

    packages = packages_in_use(settings)
    in_hand = InHand()
    ahead = reading_ahead(settings.node, packages, settings.node.read_ahead_mb * MEGABYTE)
    segmenter = Segmenter(settings, packages, loaded_graph(settings, packages), ahead)
    limited = TimeLimited(
        segmenter, settings.node, in_hand, deadline, metrics.stage_seconds(), metrics.step_seconds()
    )
    DBOS(config=executor_configuration(settings.node, executor_id))
    running = Running()
    define_segmenting(settings.node, limited, running, partial(announce_finding, settings.node))
    DBOS.listen_queues([STUDIES])
    with answering():
        DBOS.launch()
        DBOS.register_queue(STUDIES, worker_concurrency=1, polling_interval_sec=STUDIES_POLL_S)
    loops = queue_loops(settings.node, executor_id, [SEGMENT], running)
    begin(life)
    log.info("worker_ready", executor=executor_id, packages=[package.name for package in packages])
    life.until_stopped(loops)
    in_hand.wait(settings.node.grace_s)


def sender_part(settings: Settings, executor_id: str, life: Life) -> None:
    """Delivers, reports what was committed to, and sends notices."""
    from dbos import DBOS

    from app.node.queue.database import (
        REPORT,
        answering,
        delivery_queue,
        executor_configuration,
        report_queue,
    )
    from app.node.queue.workflow import (
        DELIVER,
        NOTICE,
        Attempt,
        define_delivering,
        define_notifying,
        define_reporting,
    )
    from app.node.send.notices import NOTICES_QUEUE
    from app.node.send.sender import attempt, confirm, notify, report

    node, in_hand, running, counter = settings.node, InHand(), Running(), metrics.deliveries()

    slots = SendingSlots(DELIVERIES_AT_ONCE)

    def counted(delivery: Json) -> Attempt:
        with slots.of(delivery["peer"], delivery.get("place", 0)), in_hand.work():
            outcome = attempt(delivery, node, audit_trail(settings))
        counter.labels(delivery["peer"], outcome.state).inc()
        return outcome

    DBOS(config=executor_configuration(node, executor_id))
    define_delivering(node, counted, lambda delivery: confirm(delivery, node), running)
    inbox = Inbox(node.data, "sender")
    define_reporting(node, lambda owed: report(owed, node, inbox), running)
    define_notifying(node, lambda notice: notify(notice, node), running)
    polls_s = {delivery_queue(peer.name): DELIVERIES_POLL_S for peer in node.destinations}
    polls_s |= {report_queue(peer.name): REPORTS_POLL_S for peer in node.sources if peer.host}
    polls_s |= {NOTICES_QUEUE: REPORTS_POLL_S} if node.notice_url else {}
    DBOS.listen_queues(list(polls_s))
    with answering():
        DBOS.launch()
        for queue, poll_s in polls_s.items():
            DBOS.register_queue(queue, worker_concurrency=DELIVERIES_UNDER_WAY, polling_interval_sec=poll_s)
    loops = queue_loops(node, executor_id, [DELIVER, REPORT, NOTICE], running)
    begin(life)
    life.until_stopped(loops)
    in_hand.wait(min(node.grace_s, node.network_s))


def begin(life: Life) -> None:
    """Freezes what is loaded: it lives as long as the process, so the garbage collector can skip it."""
    gc.collect()
    gc.freeze()
    life.heartbeat.beat()
    life.ready.set()


def queue_loops(
    node: NodeSettings, executor_id: str, workflows: list[str], running: Running
) -> list[threading.Thread]:
    """Looks after the work of this process, of machines that are gone, and of other versions.

    Gives the threads without which the process is deaf.
    """
    from app.node.queue.database import WORKFLOW_VERSION
    from app.node.queue.queued_work import QueuedWork
    from app.node.watch.loops import Loop

    threading.excepthook = end_with_thread
    abandoned = AbandonedWorkflows(executor_id, workflows, running, node.data / "signs", node.lost_s)
    queued = QueuedWork(node, workflows, WORKFLOW_VERSION)
    loops = [
        Loop("abandoned-work", lambda: abandoned.look(now_s()), LOOK_S, LOOK_SILENT_S),
        Loop("queued-work", queued.adopt, LOOK_S, LOOK_SILENT_S),
    ]
    for loop in loops:
        loop.start()
    return [*(loop.thread for loop in loops), *polling_threads()]


def polling_threads() -> list[threading.Thread]:
    """DBOS's own, which sees to it that work is taken from the queues; by its function's name."""
    return [thread for thread in threading.enumerate() if thread.name.endswith("(queue_thread)")]


def executor_name(role: str, number: int = 0) -> str:
    """Distinct on every machine that shares the database, and the same after a restart."""
    return f"{os.uname().nodename}-{role}-{number}"


def now_s() -> float:
    """Returns the time of the monotonic clock in seconds."""
    return time.monotonic()
