"""Who may open an association, decided from titles and address; and what is told of those who may not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog

from app.node.receive.association_request import AssociationRequest
from app.node.settings.configuration import NodeSettings
from app.node.watch.audit import AuditTrail
from app.node.watch.rate_limit import RateLimit
from app.printable import printable

log = structlog.get_logger()

# At once, then one every so many seconds: 14,400 lines of the log and of the audit trail a day at most, 15 MB
TOLD_AT_ONCE, TOLD_EVERY_S = 20, 6.0


class Reason(Enum):
    """Why an association is rejected; a label of metrics, so that no peer's text becomes one."""

    CALLING_TITLE = "unknown_calling_title"
    ADDRESS = "unknown_address"
    CALLED_TITLE = "unknown_called_title"
    TOO_MANY = "too_many_associations"
    TOO_LARGE = "request_too_large"
    MALFORMED = "malformed_request"
    TLS = "no_tls_handshake"


# PS3.8 9.3.4: result, source, reason of a rejection; where it has none the connection is aborted
ANSWERS = {
    Reason.CALLING_TITLE: (1, 1, 3),
    Reason.ADDRESS: (1, 1, 3),
    Reason.CALLED_TITLE: (1, 1, 7),
    Reason.TOO_MANY: (2, 3, 2),
    Reason.TOO_LARGE: (1, 2, 1),
}


@dataclass(frozen=True)
class Rejected:
    """An association that was not to be, for log, metrics and audit."""

    request: AssociationRequest
    reason: Reason


class Admission:
    """Decides from the settings who may open an association."""

    def __init__(self, settings: NodeSettings, tell: Callable[[Rejected], None]) -> None:
        self.settings, self.tell = settings, tell

    def refusal(self, request: AssociationRequest) -> Reason | None:
        """None for a peer of that title, at that address, which asks for this node."""
        namesakes = [peer for peer in self.settings.sources if peer.ae_title == request.calling_ae]
        if not namesakes:
            return Reason.CALLING_TITLE
        if not any(not peer.addresses or request.address in peer.addresses for peer in namesakes):
            return Reason.ADDRESS
        return None if request.called_ae == self.settings.ae_title else Reason.CALLED_TITLE


class RejectionTeller:
    """Counts every rejection; logs and audits them as often as `limit` lets it."""

    def __init__(self, counter: Any, trail: AuditTrail, limit: RateLimit) -> None:
        self.counter, self.trail, self.limit = counter, trail, limit

    def __call__(self, rejected: Rejected) -> None:
        """Tells of one."""
        self.counter.labels(rejected.reason.value).inc()
        held_back = self.limit.passed()
        if held_back is not None:
            log_rejected(rejected, held_back)
            request = rejected.request
            titles = printable_title(request.calling_ae), printable_title(request.called_ae)
            self.trail.rejected(*titles, request.address, rejected.reason.value, held_back)


def log_rejected(rejected: Rejected, held_back: int = 0) -> None:
    """Who asked whom, from where, and why not; `held_back`: how many more of which there is no line."""
    request = rejected.request
    log.warning(
        "association_rejected",
        reason=rejected.reason.value,
        calling_ae=printable_title(request.calling_ae),
        called_ae=printable_title(request.called_ae),
        address=request.address,
        not_logged_before=held_back,
    )


def printable_title(title: str) -> str:
    """In one line."""
    return printable(title, keep="")


def log_seldom(now_s: Callable[[], float] = time.monotonic) -> RateLimit:
    """The limit of a node."""
    return RateLimit(TOLD_AT_ONCE, TOLD_EVERY_S, now_s)
