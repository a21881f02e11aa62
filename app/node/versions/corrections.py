"""Decides whether later versions of instances are used, set aside, or left to a person.

A PACS that moves a study to another patient sends the same images again with different patient data. If all
images of a series are sent again, show the same and name one patient, they are a correction: they replace the
former ones and lead to a new job. Anything else waits for a decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from dbos import DBOSClient

from app.node.queue.completeness import Content, Patience, Waiting, count_seen
from app.node.queue.decisions import Conflict
from app.node.queue.study_attempts import StudyAttempts
from app.node.settings.configuration import NodeSettings
from app.node.storage.recovery import unsettled
from app.node.storage.study_lock import moving_files
from app.node.versions.instance_versions import (
    REPLACED,
    Correction,
    Version,
    carry_out,
    conflicting,
    count_corrections,
    finish,
    set_aside,
    store_version,
    studies_in_conflict,
    swap_of,
    unfinished,
    versions_in,
)
from app.node.versions.open_conflicts import OpenConflicts, fingerprint_of
from app.node.versions.version_judgement import (
    UNREADABLE,
    Verdict,
    VersionCandidate,
    VersionKind,
    examine,
    verdict,
)
from app.node.watch.audit import CORRECTED, AuditTrail
from operators.dicom.pixels.version_differences import Belonging, belonging

log = structlog.get_logger()


class Corrections:
    """Watches `conflicts` as the dispatcher watches the inbox; a study is judged after the quiet time.

    `corrected` holds the studies whose later versions have been put into use.
    """

    def __init__(self, settings: NodeSettings, client: DBOSClient, trail: AuditTrail) -> None:
        self.settings, self.client, self.trail, self.data = settings, client, trail, settings.data
        self.patience = Patience(settings.quiet_s, settings.forced_s)
        self.waiting: dict[str, Waiting] = {}
        self.judged: dict[str, tuple[str, str]] = {}
        self.corrected: set[str] = set()
        self.attempts = StudyAttempts("conflict_postponed")
        self.conflicts = OpenConflicts(settings, client, self.attempts, self._use)

    def tick(self, contents: Mapping[str, Content], now_s: float) -> frozenset[str]:
        """Puts later versions into use as decided, and returns the studies that must wait for the next look.

        Those are studies whose versions are still arriving, or whose content has just changed.
        """
        before = set(self.corrected)
        for study in unfinished(self.data):
            self.attempts.attempt(study, partial(self._finish, study), now_s)
        self.conflicts.carry_out_decisions(now_s)
        found = studies_in_conflict(self.data)
        self.waiting = {study: each for study, each in self.waiting.items() if study in found}
        self.judged = {study: each for study, each in self.judged.items() if study in found}
        self.attempts.forget_all_but({*found, *unfinished(self.data)})
        waits = {
            study
            for study in found
            if self.attempts.attempt(study, partial(self._look_at, study, contents, now_s), now_s)
        }
        return frozenset(waits | (self.corrected - before))

    def _finish(self, study: str) -> bool:
        """Continues an interrupted correction."""
        self.corrected.add(study)
        with moving_files(self.data):
            finish(self.data, study, self._record)
        return True

    def _look_at(self, study: str, contents: Mapping[str, Content], now_s: float) -> bool:
        """Judges a study's versions; returns whether the study must wait before it is queued."""
        versions = conflicting(self.data, study)
        if not versions:
            return False
        if study not in contents and (self.data / "inbox" / study).exists():
            return True  # the inbox could not be read at this look
        content = contents.get(study, Content((), ()))
        known = fingerprint_of(versions, count_corrections(self.data, study))
        self.waiting[study] = waiting = count_seen(self.waiting.get(study), known, now_s)
        forced = now_s - waiting.first_s >= self.patience.forced_s
        if not forced and now_s - waiting.last_s < self.patience.quiet_s:
            return True
        if unsettled(self.data / "incoming", study):
            return True
        key = (known, content.fingerprint)
        if self.judged.get(study) != key:
            with moving_files(self.data):
                self._judge(study, versions, content)
            self.judged[study] = key
        return False

    def _judge(self, study: str, versions: Sequence[Version], content: Content) -> None:
        images = frozenset(content.images)
        # No longer in use, or rejected
        former = frozenset(version.name for version in versions_in(self.data / REPLACED / study))
        found = defaultdict[VersionKind, list[VersionCandidate]](list)
        for version in versions:
            each = examine(self.data, study, version, images, former)
            found[each.kind].append(each)
        for stray in found[VersionKind.STRAY]:
            store_version(self.data, study, stray.path, stray.version)
        if without := [each.version for each in found[VersionKind.NO_MATTER]]:
            log.info("versions_set_aside", study_instance_uid=study, instances=len(without))
            set_aside(self.data, study, without)
        verdicts = self._verdicts(study, found[VersionKind.CANDIDATE], content)
        if found[VersionKind.UNREADABLE]:
            verdicts.append((found[VersionKind.UNREADABLE], UNREADABLE))
        for group, reason in verdicts:
            if reason is None:
                self._correct(study, group)
        left = [(group, why) for group, why in verdicts if why]
        names = frozenset(version.name for version in versions)
        self.conflicts.put(study, [conflict_of(study, group, why, names) for group, why in left])

    def _verdicts(
        self, study: str, candidates: Sequence[VersionCandidate], content: Content
    ) -> list[tuple[list[VersionCandidate], Verdict | None]]:
        """Groups versions by the patient they name; for each group the reason to ask a person, or None."""
        groups = defaultdict[str, list[VersionCandidate]](list)
        for each in candidates:
            groups[each.belonging.examination].append(each)

        def read(path: str) -> Belonging:
            return belonging(self.data / "inbox" / study / path)

        several = len(groups) > 1
        return [(group, verdict(group, several, content, read)) for group in groups.values()]

    def _correct(self, study: str, group: Sequence[VersionCandidate]) -> None:
        keywords = tuple(dict.fromkeys(word for each in group for word in each.keywords))
        swaps = tuple(swap_of(self.data, study, each.path, each.version) for each in group)
        self._use(Correction(study, keywords, swaps))

    def _use(self, correction: Correction) -> None:
        carry_out(self.data, correction, self._record)
        self.corrected.add(correction.study)

    def _record(self, correction: Correction) -> None:
        """Records a correction in the log and in the audit trail."""
        study, instances = correction.study, len(correction.swaps)
        log.info("corrected", study_instance_uid=study, instances=instances, attributes=correction.keywords)
        self.trail.changed(study, instances, CORRECTED)


def conflict_of(
    study: str, group: Sequence[VersionCandidate], why: Verdict, names: frozenset[str]
) -> Conflict:
    """Returns a conflict without an id; `names` are those of all versions of the study."""
    versions = tuple(each.version.name for each in group)
    return Conflict("", study, versions, *why, tuple(sorted(names.difference(versions))))
