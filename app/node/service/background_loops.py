"""The background loops of a node: they check its disk and database, queue studies and remove old ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial

from dbos import DBOSClient

from app.node.receive.watched_folder import WatchedFolder
from app.node.send.message_watches import DiskWatch, PeerWatch
from app.node.service.parts import now_s
from app.node.settings.configuration import NodeSettings
from app.node.storage.disk import MEGABYTE, Disk
from app.node.storage.inbox import Inbox
from app.node.studies.dispatcher import Dispatcher
from app.node.studies.retention import sweep
from app.node.watch.loops import Loop

TICK_S, SWEEP_S, STATE_S = 0.2, 60.0, 2.0
# Interval for checking that the data folder is still the same
FOLDER_S, FOLDER_SILENT_S = 1.0, 30.0
# A turn that takes longer counts as hanging; it makes jobs, reads 100 files, removes old studies, or reads
# one number
DISPATCH_SILENT_S, WATCH_SILENT_S, SWEEP_SILENT_S, STATE_SILENT_S = 60.0, 300.0, 600.0, 6.0
# Of the loops that leave messages
DISK_S, DISK_SILENT_S = 5.0, 60.0
PEERS_SILENT_S = 600.0


def background_loops(
    settings: NodeSettings, client: DBOSClient, disk: Disk, watch_data_folder: Callable[[], object]
) -> list[Loop]:
    """Returns the loops of a node for its roles, none of them started."""
    ask_database = partial(client.list_workflows, limit=1, load_input=False, load_output=False)
    found = [
        Loop("data_folder", watch_data_folder, FOLDER_S, FOLDER_SILENT_S),
        Loop("disk", disk.look, STATE_S, STATE_SILENT_S),
        Loop("database", ask_database, STATE_S, STATE_SILENT_S),
    ]
    found += message_loops(settings, disk)
    if "receive" not in settings.roles:
        return found
    # Made by the first turn that can, as they read the database and the disk
    dispatcher = cache(lambda: Dispatcher(settings, client, lambda: datetime.now().astimezone()))
    watched = cache(lambda: watched_folder(settings))
    found += [
        Loop("dispatcher", lambda: dispatcher().tick(now_s()), TICK_S, DISPATCH_SILENT_S),
        Loop("retention", lambda: sweep(settings, client, time.time() * 1000), SWEEP_S, SWEEP_SILENT_S),
    ]
    if settings.watch is not None:
        found.append(Loop("watch", lambda: watched().look(), TICK_S, WATCH_SILENT_S))
    return found


def message_loops(node: NodeSettings, disk: Disk) -> list[Loop]:
    """Returns the loops that notice what people are told of, none of them started."""
    told = node.messages.told if node.messages else frozenset()
    found = []
    if "disk" in told and "receive" in node.roles:
        found.append(Loop("message-disk", DiskWatch(node, disk).look, DISK_S, DISK_SILENT_S))
    if node.messages and "peer" in told and "send" in node.roles:
        found.append(Loop("message-peers", PeerWatch(node).look, node.messages.echo_s, PEERS_SILENT_S))
    return found


def watched_folder(settings: NodeSettings) -> WatchedFolder:
    """Returns the watched folder, whose files go to the inbox."""
    assert settings.watch is not None
    return WatchedFolder(
        settings.watch,
        Inbox(settings.data, "watch"),
        settings.watch_settled_s,
        minimum_free_bytes=settings.minimum_free_mb * MEGABYTE,
    )
