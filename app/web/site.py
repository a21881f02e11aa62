"""What all pages show and change, made once when the page starts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

from dbos import DBOSClient

from app.node.accounts.accounts import Accounts
from app.node.accounts.openid import Provider
from app.node.accounts.sessions import Session, Sessions
from app.node.accounts.sign_ins import SignIns
from app.node.queue.jobs.job_index import JobIndex
from app.node.queue.jobs.queue_places import QueuePlaces
from app.node.send.peer_states import PeerStates
from app.node.settings.configuration import NodeSettings
from app.node.settings.web import WebSettings
from app.node.studies.study_identity import StudyIdentities
from app.node.watch.audit import AuditTrail, audit_trail
from app.node.watch.board import StatusBoard
from app.node.watch.rate_limit import RateLimits
from app.packages_in_use import packages_in_use
from app.settings import Settings
from operators.errors import OsteonError
from operators.packages.packages import ModelPackage

if TYPE_CHECKING:
    from app.web.viewing.volumes import Views

# Logins: five at once, then one every 20 s, for each name and for each address
LOGINS_AT_ONCE, LOGIN_EVERY_S = 5, 20.0
# Changes: for each session, far more than a person makes
CHANGES_AT_ONCE, CHANGE_EVERY_S = 60, 1.0
# The figures in the pictures of the queue
SAMPLE_S, DAY_S = 60.0, 86400.0


@dataclass(frozen=True)
class Sample:
    """Free bytes on the disk, and the number of jobs that are queued or running."""

    at_ms: int
    free_bytes: int
    waiting: int


@dataclass(eq=False)
class Site:
    """The state of the page, which all requests share."""

    settings: Settings
    web: WebSettings
    client: DBOSClient
    index: JobIndex
    identities: StudyIdentities
    peers: PeerStates
    accounts: Accounts
    sessions: Sessions
    board: StatusBoard
    trail: AuditTrail
    logins: RateLimits
    changes: RateLimits
    sign_ins: SignIns
    provider: Provider | None
    # Of the last day, oldest first
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=int(DAY_S / SAMPLE_S)))
    # Two starts count their changes each from the beginning
    start: str = field(default_factory=lambda: token_hex(4))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def node(self) -> NodeSettings:
        """Returns the settings of the node."""
        return self.settings.node

    @cached_property
    def views(self) -> Views:
        """Returns the images that users look at."""
        # Needs libraries that take a second and 120 MB
        from app.web.viewing.volumes import Views

        return Views()

    def changes_so_far(self) -> dict[str, str]:
        """Returns a value for the jobs and one for the health of the node, which change whenever these do."""
        ill = self.board.read().get("ill") or ("well",)
        return {"jobs": f"{self.start}-{self.index.version}", "health": "-".join(ill)}

    @property
    def is_open(self) -> bool:
        """Returns whether no password is needed: only this machine reaches the page, without accounts."""
        return self.web.is_local and self.provider is None and not self.accounts.all()

    def knows(self, session: Session) -> bool:
        """Returns whether a session's account still exists as it was, or was vouched for by the provider."""
        if session.account is None or session.provider:
            return session.account is not None
        return self.accounts.all().get(session.account.name) == session.account

    def packages(self) -> tuple[ModelPackage, ...]:
        """Returns the packages in use; none if they cannot be read."""
        try:
            return packages_in_use(self.settings)
        except OsteonError:
            return ()


def make_site(
    settings: Settings,
    web: WebSettings,
    client: DBOSClient,
    board: StatusBoard,
    now_s: Callable[[], float] = time.monotonic,
) -> Site:
    """Returns the state of a page that has just started."""
    node = settings.node
    return Site(
        settings,
        web,
        client,
        JobIndex(client, QueuePlaces(node).stamps),
        StudyIdentities(node.data),
        PeerStates(node),
        Accounts(node),
        Sessions(web.session_s, web.idle_s, now_s),
        board,
        audit_trail(node),
        RateLimits(LOGINS_AT_ONCE, LOGIN_EVERY_S, now_s),
        RateLimits(CHANGES_AT_ONCE, CHANGE_EVERY_S, now_s),
        SignIns(now_s),
        Provider(web.openid, now_s) if web.openid else None,
    )
