"""Watches the inbox and queues the studies that are complete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog
from dbos import DBOSClient

from app.node.queue.completeness import Content, Patience, Waiting, count_seen, is_complete, rule_for
from app.node.queue.database import STUDIES, WORKFLOW_VERSION
from app.node.queue.findings import any_shows_fracture
from app.node.queue.job import JobFolder, StudyJob, job_folder, priority, take_in
from app.node.queue.jobs.job_state import MOVED, UNDER_WAY, JobState
from app.node.queue.study_attempts import StudyAttempts
from app.node.queue.workflow import SEGMENT
from app.node.send.message_events import put_urgent
from app.node.send.notices import Notice, announce
from app.node.settings.configuration import NodeSettings, RoutingRule
from app.node.settings.peer import Urgency
from app.node.storage.recovery import unsettled
from app.node.storage.study_lock import moving_files
from app.node.studies.edited_results import EditedResults
from app.node.studies.removal import recover
from app.node.studies.study_folder import StudyFolders
from app.node.studies.study_jobs import CORRECTIONS, StudyJobs, has_new_images, jobs_of_study
from app.node.versions.corrections import Corrections
from app.node.versions.instance_index import InstanceIndex
from app.node.versions.instance_versions import corrected_keywords
from app.node.versions.moved_series import KEYWORD, moved_series
from app.node.watch.audit import AuditTrail

log = structlog.get_logger()


class Dispatcher:
    """Queues complete studies as jobs.

    `queued` holds the fingerprints for which a study needs no job: it has one, or nothing can be segmented.
    """

    def __init__(
        self,
        settings: NodeSettings,
        client: DBOSClient,
        now: Callable[[], datetime],
        trail: AuditTrail | None = None,
    ) -> None:
        self.settings, self.client, self.now = settings, client, now
        path = settings.audit or settings.data / "audit.xml"
        self.trail = trail or AuditTrail(path, settings.ae_title, now)
        recover(settings.data, client, self.trail)
        self.folders = StudyFolders(settings.data / "inbox")
        self.corrections = Corrections(settings, client, self.trail)
        self.edits = EditedResults(settings.data, self.trail, now)
        self.index = InstanceIndex()
        self.patience = Patience(settings.quiet_s, settings.forced_s)
        self.waiting: dict[str, Waiting] = {}
        self.attempts = StudyAttempts("study_postponed")
        self.queued: dict[str, set[str]] = {}
        for status in client.list_workflows(name=SEGMENT, load_input=False, load_output=False):
            study, _, fingerprint = status.workflow_id.rpartition("-")
            self.queued.setdefault(study, set()).add(fingerprint)

    def tick(self, now_s: float) -> int:
        """Queues the complete studies and returns their number. `now_s` is of the monotonic clock."""
        found = self.folders.look()
        self._forget_all_but(found)
        self.edits.look(self.folders)
        on_hold = self.corrections.tick(found, now_s)
        return sum(
            self.attempts.attempt(study, partial(self._look_at, study, content, now_s), now_s)
            for study, content in found.items()
            if study not in on_hold
        )

    def _look_at(self, study: str, content: Content, now_s: float) -> bool:
        fingerprint = content.fingerprint
        if fingerprint in self.queued.get(study, ()) and self._is_still_there(study, fingerprint):
            self.waiting.pop(study, None)
            return False
        if study in self.corrections.corrected and study not in self.waiting:
            # The quiet time has already been waited for
            self.waiting[study] = Waiting(now_s, now_s - self.patience.quiet_s, fingerprint)
        self.corrections.corrected.discard(study)
        self.waiting[study] = waiting = count_seen(self.waiting.get(study), fingerprint, now_s)
        rule = rule_for(self.settings.rules, content.series, content.series[0].source_ae)
        if not is_complete(waiting, content, rule, self.patience, now_s):
            return False
        if self.edits.are_all_of(study, content.names):
            return False
        if unsettled(self.settings.data / "incoming", study):  # a power loss would damage the job's link too
            return False
        with moving_files(self.settings.data):  # a study is not queued and removed at once
            is_queued = self._queue(study, content, rule)
        self.queued.setdefault(study, set()).add(fingerprint)
        del self.waiting[study]
        return is_queued

    def _is_still_there(self, study: str, fingerprint: str) -> bool:
        """Returns whether the job exists; it does not if the study was removed and sent again meanwhile."""
        if study not in self.folders.changed:
            return True
        if f"{study}-{fingerprint}" in self._earlier(study).ids:
            return True
        self.queued[study].discard(fingerprint)
        return False

    def _queue(self, study: str, content: Content, rule: RoutingRule) -> bool:
        """Queues a job; returns False if the study has a job already or has nothing new to segment."""
        earlier, now = self._earlier(study), self.now()
        job_id = f"{study}-{content.fingerprint}"
        if job_id in earlier.ids or not self._is_news(study, content, earlier):
            return False
        moved = moved_series(self._study(study), content.images)
        names = tuple(name for name in content.names if name.partition("/")[0] not in moved)
        job = StudyJob(
            job_id, study, len(earlier.rows) + 1, now.isoformat(), content.series[0].source_ae, len(names)
        )
        take_in(job_folder(self.settings.data, job_id), self._study(study), names)
        keywords = corrected_keywords(self.settings.data, study, earlier.corrections)
        keywords += (KEYWORD,) if moved else ()
        # Notices precede the job: after a crash everything is repeated until the job exists
        self._look_for_moved(study, content)
        if keywords and earlier.rows:
            text = f"{', '.join(keywords)} were corrected; it replaces {earlier.ids[-1]}"
            self._announce("correction", JobState(job_id, "queued", "corrected", text))
        self._supersede(earlier, job_id, keywords)
        urgency = self._urgency(rule, earlier)
        if urgency == "urgent":
            put_urgent(self.settings, JobState(job_id, "queued"))
        self._enqueue(job, priority(now.timestamp(), urgency), content.corrections)
        log.info("study_queued", job=job_id, images=job.images, revision=job.revision)
        return True

    def _urgency(self, rule: RoutingRule, earlier: StudyJobs) -> Urgency:
        """Returns the rule's urgency, or urgent if findings are and an earlier result shows a fracture."""
        if self.settings.urgent_findings and any_shows_fracture(self.client, earlier.ids):
            return "urgent"
        return rule.urgency

    def _enqueue(self, job: StudyJob, place: int, corrections: int) -> None:
        self.client.enqueue(
            {
                "workflow_name": SEGMENT,
                "queue_name": STUDIES,
                "workflow_id": job.job_id,
                "priority": place,
                "app_version": WORKFLOW_VERSION,
                "attributes": {CORRECTIONS: corrections},
            },
            job.as_json(),
        )

    def _earlier(self, study: str) -> StudyJobs:
        return jobs_of_study(self.client, study)

    def _is_news(self, study: str, content: Content, earlier: StudyJobs) -> bool:
        """Returns whether the study has a correction or an image that none of its jobs has."""
        if not earlier.rows or content.corrections > earlier.corrections:
            return True
        return has_new_images(self.settings.data, self._study(study), content, earlier.ids)

    def _supersede(self, earlier: StudyJobs, job_id: str, keywords: Sequence[str]) -> None:
        """Cancels earlier jobs that have not begun; finished ones stay as they are.

        After a correction, running jobs are cancelled too, and no earlier job may deliver any more, as its
        results have the wrong patient. The sender's mark is set first, so that no delivery is missed.
        """
        ending = UNDER_WAY if keywords else ("ENQUEUED", "DELAYED")
        for row in earlier.rows:
            if keywords:
                mark(job_folder(self.settings.data, row.workflow_id))
                attributes = {"replaced_by": job_id, "keywords": list(keywords)}
                self.client.update_workflow_attributes(row.workflow_id, attributes, merge=True)
            if row.status in ending:
                self.client.cancel_workflow(row.workflow_id)

    def _look_for_moved(self, study: str, content: Content) -> None:
        """Marks jobs whose images are in this study too, as after a PACS has split or merged studies."""
        self.index.add_missing(self.folders.contents)
        for other, shared in self.index.shared(study, content.images).items():
            latest = self._earlier(other).ids[-1:]
            for job_id in latest:
                attributes = {"moved_to": study, "moved": shared}
                self.client.update_workflow_attributes(job_id, attributes, merge=True)
                log.warning("instances_moved", job=job_id, study_instance_uid=study, instances=shared)
                text = f"{shared} of its instances were sent again in study {study}"
                self._announce(MOVED, JobState(job_id, MOVED, MOVED, text))

    def _announce(self, event: str, job: JobState) -> None:
        announce(self.settings, self.client, Notice(event, job))

    def _forget_all_but(self, kept: Collection[str]) -> None:
        """Forgets removed studies, so that they count as new if they are sent again."""
        if gone := [study for study in self.queued if study not in kept]:
            self.queued = {study: prints for study, prints in self.queued.items() if study in kept}
            self.index.forget(gone)
        self.waiting = {study: each for study, each in self.waiting.items() if study in kept}
        self.attempts.forget_all_but(kept)

    def _study(self, study: str) -> Path:
        return self.settings.data / "inbox" / study


def mark(folder: JobFolder) -> None:
    """Marks a job whose results must not be sent any more."""
    if folder.root.is_dir():
        folder.former.touch()
