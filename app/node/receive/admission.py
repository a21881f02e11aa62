"""Decides from AE titles and address who may open an association, and records rejections."""

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
from app.printable import printable_line

log = structlog.get_logger()

# Rejections recorded at once, and the interval after that: at most 14,400 lines of the log and of the audit
# trail per day, 15 MB
RECORDED_AT_ONCE, RECORDED_EVERY_S = 20, 6.0


class Reason(Enum):
    """Why an association is rejected; the values are labels of metrics, which hold no text from peers."""

    CALLING_TITLE = "unknown_calling_title"
    ADDRESS = "unknown_address"
    CALLED_TITLE = "unknown_called_title"
    TOO_MANY = "too_many_associations"
    TOO_LARGE = "request_too_large"
    MALFORMED = "malformed_request"
    TLS = "no_tls_handshake"


# PS3.8 9.3.4: result, source, reason of a rejection; for other reasons the connection is aborted
ANSWERS = {
    Reason.CALLING_TITLE: (1, 1, 3),
    Reason.ADDRESS: (1, 1, 3),
    Reason.CALLED_TITLE: (1, 1, 7),
    Reason.TOO_MANY: (2, 3, 2),
    Reason.TOO_LARGE: (1, 2, 1),
}


@dataclass(frozen=True)
class Rejected:
    """A rejected association, for log, metrics and audit trail."""

    request: AssociationRequest
    reason: Reason


class Admission:
    """Decides from the settings who may open an association; `tell` records rejections."""

    def __init__(self, settings: NodeSettings, tell: Callable[[Rejected], None]) -> None:
        self.settings, self.tell = settings, tell

    def refusal(self, request: AssociationRequest) -> Reason | None:
        """Returns why a request is rejected, or None for a known peer that calls this node."""
        namesakes = [peer for peer in self.settings.sources if peer.ae_title == request.calling_ae]
        if not namesakes:
            return Reason.CALLING_TITLE
        if not any(not peer.addresses or request.address in peer.addresses for peer in namesakes):
            return Reason.ADDRESS
        return None if request.called_ae == self.settings.ae_title else Reason.CALLED_TITLE


class RejectionTeller:
    """Counts every rejection, and writes as many to log and audit trail as `limit` permits."""

    def __init__(self, counter: Any, trail: AuditTrail, limit: RateLimit) -> None:
        self.counter, self.trail, self.limit = counter, trail, limit

    def __call__(self, rejected: Rejected) -> None:
        """Records one rejection."""
        self.counter.labels(rejected.reason.value).inc()
        held_back = self.limit.passed()
        if held_back is not None:
            log_rejected(rejected, held_back)
            request = rejected.request
            titles = printable_line(request.calling_ae), printable_line(request.called_ae)
            self.trail.rejected(*titles, request.address, rejected.reason.value, held_back)


def log_rejected(rejected: Rejected, held_back: int = 0) -> None:
    """Logs a rejection; `held_back` is the number of rejections before it that were not logged."""
    request = rejected.request
    log.warning(
        "association_rejected",
        reason=rejected.reason.value,
        calling_ae=printable_line(request.calling_ae),
        called_ae=printable_line(request.called_ae),
        address=request.address,
        not_logged_before=held_back,
    )


def log_seldom(now_s: Callable[[], float] = time.monotonic) -> RateLimit:
    """Returns the node's rate limit for recording rejections."""
    return RateLimit(RECORDED_AT_ONCE, RECORDED_EVERY_S, now_s)
