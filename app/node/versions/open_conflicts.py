"""Opens conflicts that wait for a person, and carries out the decisions about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import structlog
from dbos import DBOSClient

from app.node.queue.decisions import Conflict, DecisionRow, close, open_conflict, rows
from app.node.queue.jobs.job_state import JobState
from app.node.queue.study_attempts import StudyAttempts
from app.node.send.notices import Notice, announce
from app.node.settings.configuration import NodeSettings
from app.node.storage.study_lock import moving_files
from app.node.versions.instance_versions import (
    CONFLICTS,
    Correction,
    Version,
    conflicting,
    count_corrections,
    set_aside,
    swap_of,
)
from operators.dicom.elements.instance_identity import read_instance
from operators.dicom.pixels.version_differences import difference
from operators.errors import UnreadableError

log = structlog.get_logger()

# Interval for reading decisions from the database
DECISIONS_S = 1.0


class OpenConflicts:
    """The open conflicts of all studies; `use` puts the versions of an accepted conflict into use."""

    def __init__(
        self,
        settings: NodeSettings,
        client: DBOSClient,
        attempts: StudyAttempts,
        use: Callable[[Correction], None],
    ) -> None:
        self.settings, self.client, self.data = settings, client, settings.data
        self.attempts, self.use = attempts, use
        self.open = {row.conflict_id for row in rows(client, only_open=True)}
        self.next_decisions_s = 0.0

    def put(self, study: str, conflicts: Sequence[Conflict]) -> None:
        """Opens conflicts unless the same were decided already, and closes those that no longer exist."""
        known = {row.conflict_id: row for row in rows(self.client, study)}
        current = set()
        for conflict in conflicts:
            named = self._named(conflict, known)
            current.add(named.conflict_id)
            row = known.get(named.conflict_id)
            if row is None:
                self._open_one(named)
            elif not row.is_open:
                set_aside(self.data, study, map(Version, named.versions))
        for row in known.values():
            if row.is_open and not row.decision and row.conflict_id not in current:
                close(self.client, row.conflict_id, "superseded")
                self.open.discard(row.conflict_id)

    def _named(self, conflict: Conflict, known: Mapping[str, DecisionRow]) -> Conflict:
        """Gives a conflict the id of the same versions' row if that is open or dismissed, else a new id."""
        corrections = count_corrections(self.data, conflict.study)
        for number in count(corrections << 16):
            print_of = fingerprint_of(map(Version, conflict.versions), number)
            conflict_id = f"{conflict.study}-{print_of}"
            row = known.get(conflict_id)
            if row is None or row.is_open or row.decision == "dismiss":
                break
        return replace(conflict, conflict_id=conflict_id)

    def _open_one(self, conflict: Conflict) -> None:
        """Opens a conflict after its notice, so that after a crash both are repeated until it is open."""
        job = JobState(conflict.conflict_id, "conflict", conflict.code, conflict.sentence)
        announce(self.settings, self.client, Notice("conflict", job))
        open_conflict(self.client, conflict)
        self.open.add(conflict.conflict_id)
        log.warning("conflict", job=conflict.conflict_id, code=conflict.code)

    def carry_out_decisions(self, now_s: float) -> None:
        """Carries out the decisions in the database, which is read every `DECISIONS_S` at most."""
        if not self.open or now_s < self.next_decisions_s:
            return
        self.next_decisions_s = now_s + DECISIONS_S
        for row in rows(self.client, only_open=True):
            self.attempts.attempt(row.study, partial(self._carry_out_decision, row), now_s)

    def _carry_out_decision(self, row: DecisionRow) -> bool:
        """Carries out the decision about a conflict, and closes it if decided or without versions."""
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
        """Uses the latest version of each instance, and sets aside the others that the decision covers.

        Versions received after the conflict was opened are judged separately.
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
            self.use(Correction(row.study, keywords, swaps, names))
        else:
            set_aside(self.data, row.study, unwanted)

    def _asked_about(self, row: DecisionRow) -> frozenset[str]:
        """Returns the versions that existed when the conflict was opened."""
        if row.others is not None:
            return frozenset((*row.versions, *row.others))
        return frozenset(name for each in rows(self.client, row.study) for name in each.versions)

    def _path_of(self, study: str, version: Version) -> str:
        """Returns a version's instance as a path below its study, or '' if unreadable or gone."""
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


def fingerprint_of(versions: Iterable[Version], number: int) -> str:
    """Returns a hash that identifies the versions and the number of corrections of a study."""
    text = "\n".join((*sorted(version.name for version in versions), str(number)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
