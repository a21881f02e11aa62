"""The edge of a look at one study: what goes wrong in it is tried again later, and concerns no other."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.library_messages import error_values
from app.node.watch.backoff import Backoff

log = structlog.get_logger()

# Before a study is looked at again over which a look failed
BACKOFF = Backoff(2.0, 300.0)


@dataclass(frozen=True)
class AttemptFailed:
    """When a study is looked at again, and how long it waits until then."""

    again_s: float
    pause_s: float


class StudyAttempts:
    """Looks at studies, after ever longer pauses while they fail; `event` names a failure in the log."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.failed: dict[str, AttemptFailed] = {}

    def attempt(self, study: str, look: Callable[[], bool], now_s: float) -> bool:
        """Returns what `look` returns; False where it fails, or failed just before.

        Raises SQLAlchemyError: without the database nothing can be done for any study.
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
        """Studies that are gone."""
        self.failed = {study: each for study, each in self.failed.items() if study in kept}
