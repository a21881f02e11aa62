"""Versions of instances that came under UIDs that are taken: brought into use, set aside, or put to a person.

A PACS that moves a study to another patient sends the same images again with other patient data. Where all
images of a series come again, show the same, and name one patient, they are a correction: they are used, and
a new job is made of them. What is anything else waits for a decision.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import structlog
from dbos import DBOSClient

from app.node.queue.completeness import Content, Patience, Waiting, count_seen
from app.node.queue.decisions import Conflict, DecisionRow, close, open_conflict, rows
from app.node.queue.job_state import JobState
from app.node.queue.study_attempts import StudyAttempts
from app.node.send.notices import Notice, announce
from app.node.settings.configuration import NodeSettings
from app.node.storage.recovery import unsettled
from app.node.storage.study_lock import moving_files
from app.node.versions.instance_versions import (
    CONFLICTS,
    Correction,
    Version,
    carry_out,
    conflicting,
    count_corrections,
    finish,
    replace_instance,
    set_aside,
    store_version,
    studies_in_conflict,
    swap_of,
    unfinished,
)
from app.node.versions.version_judgement import (
    UNREADABLE,
    Verdict,
    VersionCandidate,
    VersionKind,
    examine,
    verdict,
)
from app.node.watch.audit import CORRECTED, AuditTrail
from operators.dicom.elements.instance_identity import read_instance
from operators.dicom.pixels.version_differences import Belonging, belonging, difference
from operators.errors import UnreadableError

log = structlog.get_logger()

# How often the database is asked whether a person has decided
DECISIONS_S = 1.0


class Corrections:
    """Looks at `conflicts` like the dispatcher at the inbox; a study is judged when it is quiet.

    `corrected` holds the studies of which other versions have been brought into use.
    """

    def __init__(self, settings: NodeSettings, client: DBOSClient, trail: AuditTrail) -> None:
        self.settings, self.client, self.trail, self.data = settings, client, trail, settings.data
        self.patience = Patience(settings.quiet_s, settings.forced_s)
        self.waiting: dict[str, Waiting] = {}
        self.judged: dict[str, tuple[str, str]] = {}
        self.open = {row.conflict_id for row in rows(client, only_open=True)}
        self.next_decisions_s = 0.0
        self.corrected: set[str] = set()
        self.attempts = StudyAttempts("conflict_postponed")

    def tick(self, contents: Mapping[str, Content], now_s: float) -> frozenset[str]:
        """Brings into use what is to be used; the studies that are to wait for the next look.

        Of these other versions come at the moment, or they are not any more what they were at this look.
        """
        before = set(self.corrected)
        for study in unfinished(self.data):
            self.attempts.attempt(study, partial(self._finish, study), now_s)
        self._carry_out_decisions(now_s)
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
        """Goes on with a correction that was cut off."""
        self.corrected.add(study)
        with moving_files(self.data):
            finish(self.data, study, self._tell)
        return True

    def _look_at(self, study: str, contents: Mapping[str, Content], now_s: float) -> bool:
        """Whether more is to be waited for before anything of the study is queued."""
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
        former = frozenset(version.name for version in replace_instance(self.data, study))
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
        self._open(study, [conflict_of(study, group, why, names) for group, why in left])

    def _verdicts(
        self, study: str, candidates: Sequence[VersionCandidate], content: Content
    ) -> list[tuple[list[VersionCandidate], Verdict | None]]:
        """By whose the versions are: why a person must decide, None for a correction."""
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
        carry_out(self.data, Correction(study, keywords, swaps), self._tell)
        self.corrected.add(study)

    def _tell(self, correction: Correction) -> None:
        """Records every correction in the audit trail, whoever decided it and whenever it ends."""
        study, instances = correction.study, len(correction.swaps)
        log.info("corrected", study_instance_uid=study, instances=instances, attributes=correction.keywords)
        self.trail.changed(study, instances, CORRECTED)

    def _open(self, study: str, conflicts: Sequence[Conflict]) -> None:
        """Puts conflicts to a person, unless the same were decided; those that are no more are closed."""
        known = {row.conflict_id: row for row in rows(self.client, study)}
        current = set()
        for conflict in conflicts:
            named = self._named(conflict, known)
            current.add(named.conflict_id)
            row = known.get(named.conflict_id)
            if row is None:
                self._put_to_a_person(named)
            elif not row.is_open:
                set_aside(self.data, study, map(Version, named.versions))
        for row in known.values():
            if row.is_open and not row.decision and row.conflict_id not in current:
                close(self.client, row.conflict_id, "superseded")
                self.open.discard(row.conflict_id)

    def _named(self, conflict: Conflict, known: Mapping[str, DecisionRow]) -> Conflict:
        """The row of the same versions that is open or was dismissed, else a new one."""
        corrections = count_corrections(self.data, conflict.study)
        for number in count(corrections << 16):
            print_of = fingerprint_of(map(Version, conflict.versions), number)
            conflict_id = f"{conflict.study}-{print_of}"
            row = known.get(conflict_id)
            if row is None or row.is_open or row.decision == "dismiss":
                break
        return replace(conflict, conflict_id=conflict_id)

    def _put_to_a_person(self, conflict: Conflict) -> None:
        """The notice comes first: what a crash cuts off is done again until there is a row."""
        job = JobState(conflict.conflict_id, "conflict", conflict.code, conflict.sentence)
        announce(self.settings, self.client, Notice("conflict", job))
        open_conflict(self.client, conflict)
        self.open.add(conflict.conflict_id)
        log.warning("conflict", job=conflict.conflict_id, code=conflict.code)

    def _carry_out_decisions(self, now_s: float) -> None:
        if not self.open or now_s < self.next_decisions_s:
            return
        self.next_decisions_s = now_s + DECISIONS_S
        for row in rows(self.client, only_open=True):
            self.attempts.attempt(row.study, partial(self._carry_out_decision, row), now_s)

    def _carry_out_decision(self, row: DecisionRow) -> bool:
        """Where there is one, or where the versions are gone."""
        with moving_files(self.data):
            if row.decision == "accept":
                self._accept(row)
            elif row.decision == "dismiss":
                set_aside(self.data, row.study, map(Version, row.versions))
        left = {version.name for version in conflicting(self.data, row.study)}
        if row.decision or not left.intersection(row.versions):
            close(self.client, row.conflict_id, row.decision or "superseded")
            self.open.discard(row.conflict_id)
            log.info("decided", job=row.conflict_id, decision=row.decision)
        return True

    def _accept(self, row: DecisionRow) -> None:
        """The latest version of each instance is used; what else there was when it was asked is set aside.

        What came after the question was put is none of it, and is judged by itself.
        """
        left = conflicting(self.data, row.study)
        folder = self.data / CONFLICTS / row.study
        wanted = [version for version in left if version.name in row.versions]
        latest = {
            version.sop_instance_uid: version
            for version in sorted(wanted, key=lambda version: (folder / version.name).stat().st_mtime_ns)
        }
        readable = {v: p for v in latest.values() if (p := self._path_of(row.study, v))}
        asked = [version for version in left if version.name in self._asked_about(row)]
        unwanted = [v for v in asked if v.sop_instance_uid in latest and v not in readable]
        swaps = tuple(swap_of(self.data, row.study, path, version) for version, path in readable.items())
        if swaps:
            keywords = self._keywords(row.study, readable)
            names = tuple(version.name for version in unwanted)
            carry_out(self.data, Correction(row.study, keywords, swaps, names), self._tell)
            self.corrected.add(row.study)
        else:
            set_aside(self.data, row.study, unwanted)

    def _asked_about(self, row: DecisionRow) -> frozenset[str]:
        """Versions that a person knew of who decided."""
        if row.others is not None:
            return frozenset((*row.versions, *row.others))
        return frozenset(name for each in rows(self.client, row.study) for name in each.versions)

    def _path_of(self, study: str, version: Version) -> str:
        """Returns the instance of a version as a path below its study; '' for an unreadable one."""
        try:
            instance = read_instance(self.data / CONFLICTS / study / version.name)
        except UnreadableError:
            return ""
        path = f"{instance.series_instance_uid}/{version.sop_instance_uid}.dcm"
        return path if (self.data / "inbox" / study / path).exists() else ""

    def _keywords(self, study: str, paths: Mapping[Version, str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for version, path in paths.items():
            one, other = self.data / "inbox" / study / path, self.data / CONFLICTS / study / version.name
            try:
                words = difference(one, other)
            except UnreadableError:
                continue
            found |= dict.fromkeys((*words.image, *words.description))
        return tuple(found)


def conflict_of(
    study: str, group: Sequence[VersionCandidate], why: Verdict, names: frozenset[str]
) -> Conflict:
    """Without its name; `names` are of all versions of which the study is judged."""
    versions = tuple(each.version.name for each in group)
    return Conflict("", study, versions, *why, tuple(sorted(names.difference(versions))))


def fingerprint_of(versions: Iterable[Version], number: int) -> str:
    """Identifies versions and state of a study: equal for equal ones."""
    text = "\n".join((*sorted(version.name for version in versions), str(number)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
