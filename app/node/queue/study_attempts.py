"""Handles studies one by one, so that a failure with one is retried later and does not affect the others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.library_messages import error_values
from app.node.watch.backoff import Backoff

log = structlog.get_logger()

# Pauses before a failed study is tried again
BACKOFF = Backoff(2.0, 300.0)


@dataclass(frozen=True)
class AttemptFailed:
    """When a study is tried again, and the length of the pause until then."""

    again_s: float
    pause_s: float


class StudyAttempts:
    """Handles studies, with growing pauses while they fail; `event` names a failure in the log."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.failed: dict[str, AttemptFailed] = {}

    def attempt(self, study: str, look: Callable[[], bool], now_s: float) -> bool:
        """Returns what `look` returns, or False if it fails or the pause after a failure is not over.

        Raises SQLAlchemyError, as without the database no study can be handled.
        """
        before = self.failed.get(study, AttemptFailed(0.0, 0.0))
        if now_s < before.again_s:
            return False
        try:
            outcome = look()
        except SQLAlchemyError:
            raise
        except Exception as error:
            pause_s = BACKOFF.after(before.pause_s)
            self.failed[study] = AttemptFailed(now_s + pause_s, pause_s)
            log.error(self.event, study_instance_uid=study, pause_s=pause_s, **error_values(error))
            return False
        self.failed.pop(study, None)
        return outcome

    def forget_all_but(self, kept: Collection[str]) -> None:
        """Forgets the failures of all other studies, which are gone."""
        self.failed = {study: each for study, each in self.failed.items() if study in kept}
