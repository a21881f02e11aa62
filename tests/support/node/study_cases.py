"""Sends versions of studies to a node without processes, and reads its state."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pydicom

from app.node.queue.decisions import rows
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.storage.inbox import Inbox, InboxOutcome
from app.node.storage.pending_file import content_hash
from operators.dicom.elements.file_meta import with_standard_head
from operators.dicom.elements.instance_identity import read_instance
from tests.service.app.node.studies.test_retention import AFFINE, HU, Node
from tests.support.dicom import phantoms

QUIET_S = 30


def sent(
    node: Node,
    edit: phantoms.Edit | None = None,
    keep: Iterable[int] = range(4),
    series: int = 1,
    study: int = 1,
    syntax: str = pydicom.uid.ExplicitVRLittleEndian,
) -> list[InboxOutcome]:
    """Stores instances in the inbox like the listener; returns the outcome of each."""
    folder = node.settings.data.parent / "sent"
    paths = phantoms.write_ct(
        folder, HU, AFFINE, edit=edit, keep=keep, series=series, study=study, transfer_syntax_uid=syntax
    )
    outcomes = committed(node, paths)
    shutil.rmtree(folder)
    return outcomes


def committed(node: Node, paths: Iterable[Path]) -> list[InboxOutcome]:
    """Stores files in the inbox; returns the outcome of each."""
    inbox, outcomes = Inbox(node.settings.data, "test"), []
    for path in paths:
        part = inbox.new_part()
        with part.open("xb") as file:
            with_standard_head(path, file)
        outcomes.append(inbox.commit(part, read_instance(path)))
    return outcomes


def quiet(node: Node, from_s: float, looks: int = 3) -> int:
    """Runs the node's loop `looks` times, each after the quiet time; returns how many studies were queued."""
    return sum(node.dispatcher.tick(from_s + n * QUIET_S) for n in range(looks))


def jobs(node: Node) -> list[JobState]:
    """Returns jobs, then conflicts, oldest first."""
    conflicts = {row.conflict_id for row in rows(node.client)}
    return sorted(list_jobs(node.client), key=lambda job: job.job_id in conflicts)


def patients(folder: Path) -> list[str]:
    """Returns the patients' names of the instances below a folder."""
    return sorted({str(pydicom.dcmread(path).PatientID) for path in folder.rglob("*.dcm")})


def patients_of_job(node: Node, job_id: str) -> list[str]:
    """Returns the patients' names of a job's instances."""
    return patients(job_folder(node.settings.data, job_id).input)


def contents(node: Node) -> set[str]:
    """Returns hashes of every instance stored outside jobs."""
    places = (node.settings.data / name for name in ("inbox", "conflicts", "replaced", "trash"))
    return {content_hash(path) for place in places for path in place.rglob("*.dcm")}


def audited(node: Node, code: str) -> list[str]:
    """Returns the studies that the audit trail names in messages of an event."""
    path = node.settings.data / "audit.xml"
    lines = path.read_text().splitlines() if path.exists() else []
    found = []
    for message in map(ElementTree.fromstring, lines):
        event = message.find("EventIdentification/EventID")
        if event is not None and event.get("csd-code") == code:
            objects = message.iter("ParticipantObjectIdentification")
            found += [each.get("ParticipantObjectID", "") for each in objects]
    return found
