"""The process that sends messages, and the loops that notice a full disk and silent destinations.

Messages have a process of their own, so that a mail server that hangs delays no study.
"""

from __future__ import annotations

from app.node.send.message_sending import MessagePump, require_library
from app.node.send.message_watches import DiskWatch, PeerWatch
from app.node.service.parts import begin
from app.node.settings.configuration import NodeSettings
from app.node.storage.disk import Disk
from app.node.watch import metrics
from app.node.watch.heartbeat import Life
from app.node.watch.loops import Loop
from app.settings import Settings

# How often the outbox is read; a turn that takes longer counts as hanging
PUMP_S, PUMP_SILENT_S = 2.0, 600.0
DISK_S, DISK_SILENT_S = 5.0, 60.0
PEERS_SILENT_S = 600.0


def messages_part(settings: Settings, life: Life) -> None:
    """Sends messages until the stop signal. Raises UsageError if the extra `messages` is not installed."""
    require_library()
    counter = metrics.counter("osteon_messages")
    pump = MessagePump(settings.node, count=lambda target, state: counter.labels(target, state).inc())
    loop = Loop("messages", pump.look, PUMP_S, PUMP_SILENT_S)
    loop.start()
    begin(life)
    life.until_stopped([loop.thread])


def message_loops(node: NodeSettings, disk: Disk) -> list[Loop]:
    """Returns the loops that notice what people are told of, none of them started."""
    told = node.messages.told if node.messages else frozenset()
    found = []
    if "disk" in told and "receive" in node.roles:
        found.append(Loop("message-disk", DiskWatch(node, disk).look, DISK_S, DISK_SILENT_S))
    if node.messages and "peer" in told and "send" in node.roles:
        found.append(Loop("message-peers", PeerWatch(node).look, node.messages.echo_s, PEERS_SILENT_S))
    return found
