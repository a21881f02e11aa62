"""Looks at the inbox and queues the studies that are complete."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from dbos import DBOSClient
from sqlalchemy.exc import SQLAlchemyError

from app.library_messages import frames_of
from app.node.completeness import Content, Patience, Waiting, is_complete, rule_for, seen
from app.node.configuration import NodeSettings, Rule
from app.node.database import STUDIES, WORKFLOW_VERSION
from app.node.job import StudyJob, job_folder, priority, take_in
from app.node.recovery import unsettled
from app.node.study_folder import StudyFolders
from app.node.workflow import SEGMENT
from operators.errors import OsteonError, shortage

log = structlog.get_logger()

# Before a study is looked at again over which a look failed
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


@dataclass(frozen=True)
class Failed:
    """When a study is looked at again, and how long it waits if that fails too."""

    again_s: float
    pause_s: float


class Dispatcher:
    """`queued` tells which fingerprints of a study have a job already, oldest first."""

    def __init__(self, settings: NodeSettings, client: DBOSClient, now: Callable[[], datetime]) -> None:
        self.settings, self.client, self.now = settings, client, now
        self.folders = StudyFolders(settings.data / "inbox")
        self.patience = Patience(settings.quiet_s, settings.forced_s)
        self.waiting: dict[str, Waiting] = {}
        self.failed: dict[str, Failed] = {}
        self.queued: dict[str, list[str]] = {}
        for status in client.list_workflows(name=SEGMENT, load_input=False, load_output=False):
            study, _, fingerprint = status.workflow_id.rpartition("-")
            self.queued.setdefault(study, []).append(fingerprint)

    def tick(self, now_s: float) -> int:
        """Queues what is complete; says how many. `now_s` is of a clock that never jumps."""
        found = self.folders.look()
        self._forget_all_but(found)
        return sum(self._attempt(study, content, now_s) for study, content in found.items())

    def _attempt(self, study: str, content: Content, now_s: float) -> bool:
        """The edge of a look at one study: what goes wrong is tried again later, and concerns no other.

        Raises SQLAlchemyError: without the database no study can be queued.
        """
        before = self.failed.get(study, Failed(0.0, FIRST_PAUSE_S))
        if now_s < before.again_s:
            return False
        try:
            queued = self._look_at(study, content, now_s)
        except SQLAlchemyError:
            raise
        except Exception as error:
            self.failed[study] = Failed(now_s + before.pause_s, min(2 * before.pause_s, LONGEST_PAUSE_S))
            tell(study, error, before.pause_s)
            return False
        self.failed.pop(study, None)
        return queued

    def _look_at(self, study: str, content: Content, now_s: float) -> bool:
        fingerprint = content.fingerprint
        if fingerprint in self.queued.get(study, ()):
            self.waiting.pop(study, None)
            return False
        self.waiting[study] = waiting = seen(self.waiting.get(study), fingerprint, now_s)
        rule = rule_for(self.settings.rules, content.series, content.series[0].source_ae)
        if not is_complete(waiting, content, rule, self.patience, now_s):
            return False
        if unsettled(self.settings.data / "incoming", study):  # a power loss would tear the job's link too
            return False
        self._queue(study, content, rule)
        del self.waiting[study]
        return True

    def _queue(self, study: str, content: Content, rule: Rule) -> None:
        earlier = self.queued.setdefault(study, [])
        now = self.now()
        job = StudyJob(
            f"{study}-{content.fingerprint}", study, len(earlier) + 1, now.isoformat(),
            content.series[0].source_ae, len(content.names),
        )  # fmt: skip
        take_in(job_folder(self.settings.data, job.job_id), self._study(study), content.names)
        for fingerprint in earlier:
            self._supersede(f"{study}-{fingerprint}")
        self.client.enqueue(
            {
                "workflow_name": SEGMENT,
                "queue_name": STUDIES,
                "workflow_id": job.job_id,
                "priority": priority(now.timestamp(), rule.urgency),
                "app_version": WORKFLOW_VERSION,
            },
            job.as_json(),
        )
        earlier.append(content.fingerprint)
        log.info("study_queued", job=job.job_id, images=job.images, revision=job.revision)

    def _supersede(self, job_id: str) -> None:
        """An earlier job that has not begun need not begin; one that is done stays as it is."""
        for status in self.client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False):
            if status.status == "ENQUEUED":
                self.client.cancel_workflow(job_id)

    def _forget_all_but(self, kept: Collection[str]) -> None:
        """A study that retention removed is a new one when it comes again."""
        self.queued = {study: prints for study, prints in self.queued.items() if study in kept}
        self.waiting = {study: each for study, each in self.waiting.items() if study in kept}
        self.failed = {study: each for study, each in self.failed.items() if study in kept}

    def _study(self, study: str) -> Path:
        return self.settings.data / "inbox" / study


def tell(study: str, error: Exception, pause_s: float) -> None:
    """Which study is not queued for now, and why."""
    named = shortage(error) or (error if isinstance(error, OsteonError) else None)
    if named is not None:
        said = {"code": named.code}
    elif isinstance(error, OSError):
        said = {"code": "file", "error": type(error).__name__, "text": str(error.strerror)}
    else:
        said = {"code": "defect", "traceback": frames_of(error)}
    log.error("study_postponed", study_instance_uid=study, pause_s=pause_s, **said)
