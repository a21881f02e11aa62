"""The processes of a node: listener, sender and workers. The function of each runs until the stop signal."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
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
from app.node.watch.audit import SOURCE, audit_trail
from app.node.watch.audit_message import Participant
from app.node.watch.heartbeat import Life
from app.node.watch.process import InHand, end_with_thread
from app.settings import Settings

log = structlog.get_logger()
now_s = time.monotonic

# Intervals for polling the queues of a sender; each poll reads the database. A delivery runs beside the next
# segmentation, a report is not urgent.
DELIVERIES_POLL_S, REPORTS_POLL_S = 0.1, 0.5
# Deliveries to one peer that are being sent at once, and those in progress. Most of the latter wait for the
# next attempt or for the peer's commitment, which may take a day; each occupies a thread.
DELIVERIES_AT_ONCE, DELIVERIES_UNDER_WAY = 2, 128
LOOK_SILENT_S = 60.0
# How often the outbox of messages is read; a turn that takes longer counts as hanging
PUMP_S, PUMP_SILENT_S = 2.0, 600.0


def listener_part(settings: Settings, life: Life) -> None:
    """Runs the listener. Raises PortError, or UsageError for certificates that cannot be read."""
    from app.node.receive.listener import Listener

    node = settings.node
    inbox = Inbox(node.data, "listener")
    inbox.recover()
    rejections = metrics.counter("osteon_associations_rejected")
    rejected = RejectionTeller(rejections, audit_trail(settings.node), log_seldom())
    make = partial(Listener, node, store_of(settings, inbox), partial(owe_report, node), rejected)
    listener = bound(make, node.host, node.port)
    # socketserver calls it in each iteration of the loop that accepts connections
    listener.server.service_actions = life.heartbeat.beat  # type: ignore[method-assign]
    thread = threading.Thread(target=listener.serve, name="accept", daemon=True)
    thread.start()
    begin(life)
    log.info("listening", port=listener.port, ae_title=node.ae_title)
    life.until_stopped([thread], beats=False)
    listener.stop(node.grace_s)


def owe_report(node: NodeSettings, owed: Json) -> None:
    """Queues a storage commitment report for the senders; the first one imports the database's library."""
    from app.node.queue.database import enqueue_report

    enqueue_report(node, owed)


def store_of(settings: Settings, inbox: Inbox) -> Store:
    """Returns the store of a receiver, whose outcomes go to log, metrics and audit trail."""
    trail = audit_trail(settings.node)

    def ended(calling_ae: str, address: str, images: Counter[str]) -> None:
        trail.received(Participant(calling_ae, address, SOURCE, True), images)

    return Store(inbox, settings.node.minimum_free_mb * MEGABYTE, teller(), ended)


def teller() -> Callable[[Received], None]:
    """Returns a callback that counts and logs received instances."""
    counter, size = map(metrics.counter, ("osteon_instances_received", "osteon_received_bytes"))

    def tell(received: Received) -> None:
        outcome = received.outcome.value if received.outcome else f"refused_{received.status:04x}"
        counter.labels(outcome).inc()
        size.inc(received.size)
        if outcome not in ("stored", "duplicate"):
            uid = received.instance.sop_instance_uid if received.instance else ""
            log.warning("instance_not_stored", outcome=outcome, code=received.code, sop_instance_uid=uid)

    return tell


def worker_part(settings: Settings, executor_id: str, deadline: Deadline, life: Life) -> None:
    """Runs a worker, which loads the networks and segments one study at a time."""
    from dbos import DBOS

    from app.node.queue.database import STUDIES, answering, executor_configuration
    from app.node.queue.polling import ADJUST_S, IDLE_S, Polling
    from app.node.queue.replacing import REPLACE, define_replacing
    from app.node.queue.workflow import SEGMENT, define_segmenting
    from app.node.segment.next_study import reading_ahead
    from app.node.segment.segmenting import Segmenter
    from app.node.send.notices import announce_finding
    from app.node.watch.loops import Loop
    from app.packages_in_use import packages_in_use
    from app.run.series_job import loaded_graph

    packages = packages_in_use(settings)
    in_hand = InHand()
    ahead = reading_ahead(settings.node, packages, settings.node.read_ahead_mb * MEGABYTE)
    segmenter = Segmenter(settings, packages, loaded_graph(settings, packages), ahead)
    seconds = map(metrics.histogram, ("osteon_stage_seconds", "osteon_step_seconds"))
    limited = TimeLimited(segmenter, settings.node, in_hand, deadline, *seconds)
    DBOS(config=executor_configuration(settings.node, executor_id))
    running = Running()
    define_segmenting(settings.node, limited, running, partial(announce_finding, settings.node))
    define_replacing(settings.node, limited, running)
    DBOS.listen_queues([STUDIES])
    with answering():
        DBOS.launch()
        queue = DBOS.register_queue(STUDIES, worker_concurrency=1, polling_interval_sec=IDLE_S)
    Loop("polling", Polling(queue, running).adjust, ADJUST_S, LOOK_SILENT_S).start()
    loops = queue_loops(settings.node, executor_id, [SEGMENT, REPLACE], running)
    begin(life)
    log.info("worker_ready", executor=executor_id, packages=[package.name for package in packages])
    life.until_stopped(loops)
    in_hand.wait(settings.node.grace_s)


def sender_part(settings: Settings, executor_id: str, life: Life) -> None:
    """Runs the sender, which delivers results, sends storage commitment reports and sends notices."""
    from dbos import DBOS

    from app.node.queue.database import REPORT, answering, executor_configuration
    from app.node.queue.workflow import DELIVER, NOTICE

    node, in_hand, running = settings.node, InHand(), Running()
    DBOS(config=executor_configuration(node, executor_id))
    define_sending(settings, in_hand, running)
    polls_s = sending_queues(node)
    DBOS.listen_queues(list(polls_s))
    with answering():
        DBOS.launch()
        for queue, poll_s in polls_s.items():
            DBOS.register_queue(queue, worker_concurrency=DELIVERIES_UNDER_WAY, polling_interval_sec=poll_s)
    loops = queue_loops(node, executor_id, [DELIVER, REPORT, NOTICE], running)
    begin(life)
    life.until_stopped(loops)
    in_hand.wait(min(node.grace_s, node.network_s))


def define_sending(settings: Settings, in_hand: InHand, running: Running) -> None:
    """Defines the workflows of a sender: deliveries, commitment reports, notices."""
    from app.node.queue.database import REPORT
    from app.node.queue.workflow import (
        NOTICE,
        NOTICE_PATIENCE_S,
        Attempt,
        define_delivering,
        define_repeating,
    )
    from app.node.send.sender import attempt, confirm, notify, report

    node, counter = settings.node, metrics.counter("osteon_deliveries")
    slots = SendingSlots(DELIVERIES_AT_ONCE)

    def counted(delivery: Json) -> Attempt:
        with slots.of(delivery["peer"], delivery.get("place", 0)), in_hand.work():
            outcome = attempt(delivery, node, audit_trail(settings.node))
        counter.labels(delivery["peer"], outcome.state).inc()
        return outcome

    define_delivering(node, counted, lambda delivery: confirm(delivery, node), running)
    inbox = Inbox(node.data, "sender")
    tell = partial(report, settings=node, inbox=inbox)
    define_repeating(REPORT, "report", node.commitment_s, tell, running, node.data)
    notice = partial(notify, settings=node)
    define_repeating(NOTICE, "notify", NOTICE_PATIENCE_S, notice, running, node.data)


def sending_queues(node: NodeSettings) -> dict[str, float]:
    """Returns the queues of a sender, each with its polling interval in seconds."""
    from app.node.queue.database import delivery_queue, report_queue
    from app.node.send.notices import NOTICES_QUEUE

    polls_s = {delivery_queue(peer.name): DELIVERIES_POLL_S for peer in node.destinations}
    polls_s |= {report_queue(peer.name): REPORTS_POLL_S for peer in node.sources if peer.host}
    return polls_s | ({NOTICES_QUEUE: REPORTS_POLL_S} if node.notice_url else {})


def messages_part(settings: Settings, life: Life) -> None:
    """Sends messages until the stop signal. Raises UsageError if the extra `messages` is not installed.

    It is a process of its own, so that a mail server that hangs delays no study.
    """
    from app.node.send.message_sending import MessagePump, require_library
    from app.node.watch.loops import Loop

    require_library()
    counter = metrics.counter("osteon_messages")
    pump = MessagePump(settings.node, count=lambda target, state: counter.labels(target, state).inc())
    loop = Loop("messages", pump.look, PUMP_S, PUMP_SILENT_S)
    loop.start()
    begin(life)
    life.until_stopped([loop.thread])


def begin(life: Life) -> None:
    """Marks the part as ready; freezes the loaded objects, so that the garbage collector skips them."""
    gc.collect()
    gc.freeze()
    life.heartbeat.beat()
    life.ready.set()


def queue_loops(
    node: NodeSettings, executor_id: str, workflows: list[str], running: Running
) -> list[threading.Thread]:
    """Starts the loops that recover abandoned work and adopt work of other versions.

    Returns the threads without which the process would receive no work.
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
    # Those in which DBOS polls the queues have the name of its function
    polling = [thread for thread in threading.enumerate() if thread.name.endswith("(queue_thread)")]
    return [*(loop.thread for loop in loops), *polling]


def executor_name(role: str, number: int = 0) -> str:
    """Returns a name that is unique among the machines sharing the database and survives a restart."""
    return f"{os.uname().nodename}-{role}-{number}"
