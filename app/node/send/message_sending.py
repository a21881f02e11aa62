"""Sends messages by apprise: in order, again after failures, and together after quiet hours."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.node.queue.pauses import FIRST_PAUSE_S, pause_after
from app.node.send.message_outbox import Message, mark_sent, outbox, waiting, write_status
from app.node.send.message_texts import Text, joined, test_text, text_of
from app.node.settings.configuration import NodeSettings
from app.node.settings.messages import MessageSettings, MessageTarget
from app.node.settings.redaction import revealed
from app.node.storage.file_lock import try_lock
from operators.errors import OsteonError, OutputError, TransientError, UsageError

if TYPE_CHECKING:
    from apprise import Apprise

log = structlog.get_logger()

# A target that takes nothing for this long after the end of quiet hours is not told any more
PATIENCE = timedelta(days=2)
DELIVERED, FAILED, LOST = "delivered", "failed", "lost"
Send = Callable[[str, MessageTarget, Text], None]
Count = Callable[[str, str], None]


def require_library() -> None:
    """Raises UsageError if the extra `messages` is not installed."""
    if find_spec("apprise") is None:
        raise UsageError("expected the extra `messages` for messages (pip install 'osteon[messages]')")


def address_of(name: str, target: MessageTarget) -> str:
    """Returns the address of a target. Raises OutputError if its file cannot be read."""
    if target.url_file is None:
        return revealed(target.url)
    try:
        lines = target.url_file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        text = f"expected a readable url_file of the message target {name}"
        raise OutputError(text, code="no_address") from error
    return lines[0].strip()


def service_of(name: str, target: MessageTarget) -> Apprise:
    """Returns apprise with the address of a target. Raises OutputError if apprise does not know it."""
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(app_id="Osteon", app_desc="Osteon", storage_mode=PersistentStoreMode.MEMORY)
    service = Apprise(asset=asset)
    if not service.add(address_of(name, target)):
        sentence = f"expected an address that apprise knows of the message target {name}, got another"
        raise OutputError(sentence, code="bad_address")
    return service


def send(name: str, target: MessageTarget, text: Text) -> None:
    """Sends one message. Raises OutputError for an address that apprise does not know, and TransientError.

    What a server or apprise says is not repeated, as it may quote the address.
    """
    if not service_of(name, target).notify(body=text.body, title=text.subject, body_format="text"):
        sentence = f"expected the message target {name} to take a message, it did not"
        raise TransientError(sentence, code="not_sent")


def send_test(name: str, node: NodeSettings) -> None:
    """Sends a test message to one target now, also in quiet hours. Raises OsteonError."""
    require_library()
    if node.messages is None or name not in node.messages.targets:
        names = ", ".join(node.messages.targets) if node.messages else "none is set"
        raise UsageError(f"expected one of the message targets ({names}), got {name!r}")
    send(name, node.messages.targets[name], test_text(node))


def is_quiet(at: datetime, quiet: tuple[time, time] | None) -> bool:
    """Returns whether a moment of this machine's clock lies in the quiet hours, which may span midnight."""
    if quiet is None:
        return False
    (begin, end), clock = quiet, at.astimezone().time()
    return begin <= clock < end if begin <= end else clock >= begin or clock < end


def is_held(message: Message, settings: MessageSettings) -> bool:
    """Returns whether a message was made in quiet hours, and waits for their end."""
    at = datetime.fromisoformat(message.at)
    return message.event not in settings.break_quiet and is_quiet(at, settings.quiet)


Batch = tuple[list[Path], Text]


def batches(found: Sequence[tuple[Path, Message]], node: NodeSettings, now: datetime) -> list[Batch]:
    """Returns what is to be sent now, in order: those that were held as one, all others by themselves."""
    assert node.messages is not None
    settings = node.messages
    silent = is_quiet(now, settings.quiet)
    held = [] if silent else [each for each in found if is_held(each[1], settings)]
    done: list[Batch] = []
    if len(held) > 1:
        done.append(([path for path, _ in held], joined([message for _, message in held], node)))
    for path, message in found:
        if (path, message) in held and len(held) > 1:
            continue
        if not silent or message.event in settings.break_quiet:
            done.append(([path], text_of(message, node)))
    return done


@dataclass
class Pause:
    """The time of a target's next attempt, and the length of the pause before it."""

    until: datetime
    seconds: float


class MessagePump:
    """Sends what waits in the outbox; a target that fails does not hold up the others."""

    def __init__(
        self,
        node: NodeSettings,
        send: Send = send,
        count: Count = lambda _target, _state: None,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self.node, self.send, self.count, self.now = node, send, count, now
        self.pauses: dict[str, Pause] = {}

    def look(self) -> None:
        """Attempts to send everything that is due, unless another machine does. Raises OSError."""
        assert self.node.messages is not None
        outbox(self.node.data).mkdir(exist_ok=True)
        with (outbox(self.node.data) / "lock").open("wb") as lock:
            if try_lock(lock.fileno(), fcntl.LOCK_EX):
                for name, target in self.node.messages.targets.items():
                    self.serve(name, target)

    def serve(self, name: str, target: MessageTarget) -> None:
        """Sends the messages of one target until one fails."""
        pause, now = self.pauses.get(name), self.now()
        if pause is not None and now < pause.until <= now + timedelta(seconds=pause.seconds):
            return
        for paths, text in batches(waiting(self.node.data, name), self.node, now):
            if not self.attempt(name, target, paths, text):
                break
        else:
            self.pauses.pop(name, None)

    def attempt(self, name: str, target: MessageTarget, paths: Sequence[Path], text: Text) -> bool:
        """Sends one text, and returns whether it was taken or given up."""
        try:
            self.send(name, target, text)
        except OsteonError as error:
            return self.fail(name, paths, error)
        self.done(name, paths, DELIVERED, "")
        return True

    def fail(self, name: str, paths: Sequence[Path], error: OsteonError) -> bool:
        """Notes a failure and returns whether the messages are given up, as they are too old."""
        before = self.pauses.get(name)
        seconds = pause_after(before.seconds) if before else FIRST_PAUSE_S
        self.pauses[name] = Pause(self.now() + timedelta(seconds=seconds), seconds)
        log.warning("message_postponed", target=name, code=error.code, pause_s=seconds)
        age = self.now().timestamp() - min(path.stat().st_mtime for path in paths)
        if age > PATIENCE.total_seconds():
            self.done(name, paths, LOST, str(error))
            return True
        self.count(name, FAILED)
        write_status(self.node.data, name, self.now(), FAILED, str(error))
        return False

    def done(self, name: str, paths: Sequence[Path], state: str, sentence: str) -> None:
        """Marks messages as sent, or as given up."""
        for path in paths:
            mark_sent(path)
            self.count(name, state)
        (log.info if state == DELIVERED else log.error)(f"message_{state}", target=name, messages=len(paths))
        write_status(self.node.data, name, self.now(), state, sentence)
