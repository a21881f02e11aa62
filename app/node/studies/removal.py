"""Removes a study in two phases, so that it is completely kept or completely removed even after a crash.

trash/<study>/inbox, trash/<study>/conflicts   its instances, moved away; they are restored unless there is
trash/<study>.json                             the decided removal, which lists everything to be removed
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog
from dbos import DBOSClient

from app.node.commitment.requests import transaction_of
from app.node.commitment.transactions import forget_transaction
from app.node.queue.database import REPORT
from app.node.queue.decisions import rows
from app.node.queue.job import folders_of_study, job_folder, make_durable
from app.node.storage.json_file import read_json, write_json
from app.node.storage.pending_file import same_content
from app.node.storage.study_lock import DECIDED, LOCK, TRASH, moving_files
from app.node.studies.study_folder import names_below, read_study
from app.node.studies.study_jobs import has_new_images, jobs_of_study
from app.node.versions.instance_versions import CONFLICTS, NEXT, REPLACED, count_corrections, version_name
from app.node.watch.audit import AuditTrail
from operators.dicom.elements.atomic_file import sync_path

log = structlog.get_logger()

# Folders that receive instances, also while a study is removed; moved away before the decision
MOVED = ("inbox", CONFLICTS)
REPORTED = ["SUCCESS", "ERROR", "CANCELLED"]


@dataclass(frozen=True)
class Removal:
    """Everything that is removed with a study: the ids of jobs and conflicts, and the jobs' deliveries.

    `folders` are those of `jobs`, and of jobs that a crash kept from being queued, at the time of the
    decision; later ones belong to a study that was sent again. `who` requested it, '' if it is due to age.
    """

    study: str
    jobs: tuple[str, ...]
    deliveries: tuple[tuple[str, str], ...] = ()
    folders: tuple[str, ...] = ()
    who: str = ""


def remove_study(
    data: Path, client: DBOSClient, removal: Removal, trail: AuditTrail, contested_too: bool = False
) -> bool:
    """Removes a study; returns False and keeps it if it has instances without a job or an open conflict.

    With `contested_too`, versions in conflict are removed too. Raises OSError; the next `recover` continues.
    """
    with moving_files(data):
        recover_all(data, client, trail)
        move_away(data, removal.study)
        # Other versions of its instances without a decision
        contested = not contested_too and names_below(data / TRASH / removal.study / CONFLICTS)
        if contested or has_news(data, client, removal):
            bring_back(data, removal.study)
            return False
        removal = replace(removal, folders=folders_of_study(data, removal.study))
        write_json(data / TRASH / f"{removal.study}{DECIDED}", asdict(removal))
        carry_out(data, client, removal, trail)
    return True


def move_away(data: Path, study: str) -> None:
    """Moves the study's instances to the trash; those that arrive later make new folders."""
    trash = data / TRASH / study
    trash.mkdir(exist_ok=True)
    for name in MOVED:
        with suppress(FileNotFoundError):
            (data / name / study).rename(trash / name)
            sync_path(data / name)
    sync_path(trash)
    sync_path(trash.parent)


def has_news(data: Path, client: DBOSClient, removal: Removal) -> bool:
    """Returns whether the study has another job or conflict, or a correction or image without a job."""
    jobs = jobs_of_study(client, removal.study)
    conflicts = [row.conflict_id for row in rows(client, removal.study)]
    if {*jobs.ids, *conflicts} - set(removal.jobs) or (data / REPLACED / removal.study / NEXT).exists():
        return True
    folder = data / TRASH / removal.study / "inbox"
    if not folder.is_dir():
        return False
    if count_corrections(data, removal.study) > jobs.corrections:
        return True
    return has_new_images(data, folder, read_study(folder).content, jobs.ids)


def recover(data: Path, client: DBOSClient, trail: AuditTrail) -> None:
    """Settles removals that a crash interrupted: completes the decided ones, restores the others."""
    if (data / TRASH).is_dir():
        with moving_files(data):
            recover_all(data, client, trail)


def recover_all(data: Path, client: DBOSClient, trail: AuditTrail) -> None:
    """Settles removals under a lock held by the caller; a study that fails does not affect others."""
    paths = sorted(path for path in (data / TRASH).iterdir() if path.name != LOCK)
    for path in (path for path in paths if path.suffix == DECIDED):
        with guarded(path.stem):
            carry_out(data, client, removal_of(path), trail)
    for path in (path for path in paths if path.is_dir()):
        if not path.with_name(f"{path.name}{DECIDED}").exists():
            with guarded(path.name):
                bring_back(data, path.name)


@contextmanager
def guarded(study: str) -> Iterator[None]:
    """Logs a file system error within the context; the next look tries again."""
    try:
        yield
    except OSError as error:
        log.error("removal_postponed", study_instance_uid=study, error=error.strerror)


def removal_of(path: Path) -> Removal:
    """Reads a decided removal."""
    values = read_json(path)
    deliveries = tuple((job, peer) for job, peer in values["deliveries"])
    jobs = tuple(values["jobs"])
    folders = tuple(values.get("folders", jobs))
    return Removal(values["study"], jobs, deliveries, folders, values.get("who", ""))


def carry_out(data: Path, client: DBOSClient, removal: Removal, trail: AuditTrail) -> None:
    """Removes everything that belongs to a study, the decision last; may be repeated.

    The audit trail is written just before that, so that a crash can repeat its message but not lose it.
    """
    trash = data / TRASH / removal.study
    forget_rows(client, removal, frozenset(Path(name).stem for name in names_below(trash)))
    for job_id, peer in removal.deliveries:
        forget_transaction(data, transaction_of({"job_id": job_id, "peer": peer}))
    jobs = [job_folder(data, name).root for name in removal.folders]
    for folder in (*jobs, data / REPLACED / removal.study, trash):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        if folder.parent.is_dir():
            sync_path(folder.parent)
    trail.deleted(removal.study, removal.who)
    trash.with_name(f"{removal.study}{DECIDED}").unlink(missing_ok=True)
    log.info("study_removed", study_instance_uid=removal.study)


def forget_rows(client: DBOSClient, removal: Removal, instances: frozenset[str]) -> None:
    """Deletes jobs, deliveries, conflicts and notices, by the prefix of their ids, and finished reports."""
    ids: list[str] = []
    if removal.jobs:
        prefixes = list(removal.jobs)
        named = client.list_workflows(workflow_id_prefix=prefixes, load_input=False, load_output=False)
        ids = [row.workflow_id for row in named]
    for row in client.list_workflows(name=REPORT, status=REPORTED, load_output=False):
        owed = row.input["args"][0] if row.input else {"instances": ()}
        if any(named[1] in instances for named in owed["instances"]):
            ids.append(row.workflow_id)
    client.delete_workflows(ids)


def bring_back(data: Path, study: str) -> None:
    """Restores a study from the trash, each folder before it is removed there."""
    trash = data / TRASH / study
    for name in MOVED:
        if (trash / name).is_dir():
            restore_folder(trash / name, data / name / study, data / CONFLICTS / study)
    if any(trash.iterdir()):  # the layout of earlier versions of Osteon
        restore_folder(trash, data / "inbox" / study, data / CONFLICTS / study)
    else:
        trash.rmdir()


def restore_folder(trash: Path, folder: Path, conflicts: Path) -> None:
    """Restores a folder, also into one that a new instance has made meanwhile."""
    with suppress(OSError):  # fails if the folder exists
        trash.rename(folder)
        sync_path(folder.parent)
        return
    for name in sorted(names_below(trash)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(trash / name, folder / name)
        except FileExistsError:
            put_before(trash / name, folder / name, conflicts)
    sync_tree(folder)
    shutil.rmtree(trash)


def put_before(first: Path, later: Path, conflicts: Path) -> None:
    """Puts the first of two versions into use, and makes the later one a conflict."""
    if same_content(first, later):
        return
    conflicts.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.link(later, conflicts / version_name(later.stem, later))
    sync_tree(conflicts)
    first.replace(later)


def sync_tree(folder: Path) -> None:
    """Flushes a folder, its subfolders and its parent."""
    make_durable(folder)
    sync_path(folder.parent)
