"""The node's commands: turns options of the command line into settings, runs an action, shows the outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from app.node.queue.jobs.job_names import named_job, short_ids
from app.printable import counted, printable_json, printable_text
from app.settings import Settings, read_settings
from operators.errors import OsteonError, UsageError

if TYPE_CHECKING:
    from dbos import DBOSClient

    from app.node.queue.jobs.job_state import JobState
    from app.node.settings.configuration import NodeSettings
    from app.node.settings.peer import Peer

# NAME=AETITLE, for a destination NAME=AETITLE@HOST:PORT or NAME=AETITLE@http(s)://ADDRESS
PEER = re.compile(
    r"(?P<name>[a-z0-9-]+)=(?P<ae_title>[^@]+)(@((?P<stow>https?://.+)|(?P<host>[^:]+):(?P<port>\d+)))?"
)


def node_settings(
    given: dict[str, Any], peers: list[str] | None = None, config: Path | None = None, **others: Any
) -> Settings:
    """Returns the settings with the node's options of the command line; `peers` are added to the file's."""
    node = {key: value for key, value in given.items() if value is not None}
    if peers:
        known = [peer.model_dump() for peer in read_settings(config).node.peers]
        node["peers"] = (*known, *map(peer_of, peers))
    return read_settings(config, node=node or None, **others)


def peer_of(text: str) -> dict[str, Any]:
    """Parses a peer of the command line. Raises UsageError."""
    found = PEER.fullmatch(text)
    if not found:
        # The part after the first @ may hold a password
        begun = text.partition("@")[0]
        raise UsageError(f"expected a peer as NAME=AETITLE[@HOST:PORT or @http...], got {begun!r} and more")
    values = {key: value for key, value in found.groupdict().items() if value}
    return values | {"receives": bool(found["host"] or found["stow"])}


def jobs_command(
    settings: Settings, action: str, name: str | None, as_json: bool, accession: bool = False
) -> int:
    """Runs an action on all jobs, or on one. Raises UsageError for an unknown or ambiguous `name`."""
    from app.node.queue.database import open_connection, prepare_database
    from app.node.queue.jobs.job_list import job_ids

    if action != "list" and name is None:
        raise UsageError(f"expected the id of a job: osteon jobs {action} ID")
    if action == "list" and name is not None:
        raise UsageError(f"expected no id for list; try: osteon jobs show {name}")
    require_node(settings.node)
    prepare_database(settings.node)
    client = open_connection(settings.node)
    if name is None:
        show_list(settings, client, as_json, accession)
        return 0
    job_id = named_job(name, job_ids(client))
    if perform(settings, client, action, job_id):
        show_one(settings, client, job_id, as_json)
    return 0


def require_node(node: NodeSettings) -> None:
    """Raises UsageError if the data folder does not exist, so that a wrong name does not create one."""
    if not node.database and not node.data.is_dir():
        got = "which is a file" if node.data.exists() else "which does not exist"
        raise UsageError(f"expected the data folder of a node at --data, got {node.data}, {got}")


def require_packages(settings: Settings) -> None:
    """Raises ModelError if this machine has the role segment and a package cannot be read."""
    from operators.package_files.package_reader import read_packages

    if "segment" in settings.node.roles:
        read_packages(settings.models)


def perform(settings: Settings, client: DBOSClient, action: str, job_id: str) -> bool:
    """Runs an action on one job, and returns whether to show the job afterwards. Raises UsageError."""
    from app.node.studies.user_actions import ACTIONS, Acting, act

    if action not in ACTIONS:
        return True
    said = act(Acting(settings.node, client, getuser()), action, job_id)
    if action == "delete":
        print(f"{job_id}: the study, its results and its jobs are removed")
    elif action in ("send-now", "withdraw"):
        print("\n".join(said))
    return action not in ("delete", "send-now", "withdraw")


def show_list(settings: Settings, client: DBOSClient, as_json: bool, accession: bool) -> None:
    """Prints all jobs, oldest first; accession numbers, which are read from files, only if asked for."""
    from app.node.queue.jobs.job_list import list_jobs
    from app.node.queue.jobs.jobs_screen import show_jobs

    found = list_jobs(client, detailed=True)
    numbers = {job.job_id: accession_of(settings, job.job_id) for job in found} if accession else {}
    names = short_ids(job.job_id for job in found)
    if as_json:
        print(printable_json([json_of(job, names, numbers) for job in found]))
        return
    show_jobs(found, names, numbers, Console(), datetime.now().astimezone())


def show_one(settings: Settings, client: DBOSClient, job_id: str, as_json: bool) -> None:
    """Prints one job, with its folder and its accession number."""
    from app.node.queue.jobs.job_list import job_ids, list_jobs
    from app.node.queue.jobs.jobs_screen import show_job

    (job,) = list_jobs(client, [job_id], detailed=True)
    names, number = short_ids(job_ids(client)), accession_of(settings, job_id)
    if as_json:
        print(printable_json(json_of(job, names, {job_id: number})))
        return
    folder = files_of_job(settings.node.data, job)
    files = str(folder) if folder.is_dir() else ""
    show_job(job, names[job_id], number, files, Console(), datetime.now().astimezone())


def files_of_job(data: Path, job: JobState) -> Path:
    """Returns the folder of a job, or the folder with the versions of a conflict."""
    from app.node.queue.job import job_folder
    from app.node.versions.instance_versions import CONFLICTS

    return job_folder(data, job.job_id).root if job.revision else data / CONFLICTS / job.study_instance_uid


def json_of(job: JobState, names: Mapping[str, str], accessions: Mapping[str, str]) -> dict[str, Any]:
    """Returns everything known about a job as JSON values."""
    values = asdict(job) | {"short_id": names[job.job_id], "study_instance_uid": job.study_instance_uid}
    number = accessions.get(job.job_id)
    return values if number is None else values | {"accession_number": number}


def accession_of(settings: Settings, job_id: str) -> str:
    """Returns the accession number from a file of the job or the study, as the database does not hold it."""
    from app.node.studies.study_identity import folders_of
    from operators.dicom.headers.accession import accession_number

    return next(filter(None, map(accession_number, folders_of(settings.node.data, job_id))), "")


def send_command(settings: Settings, peer_name: str, paths: list[Path]) -> int:
    """Sends DICOM files to a destination."""
    from app.node.peers.destination import Outgoing
    from app.node.send.sender import store
    from operators.dicom.elements.instance_identity import read_outgoing

    peer = named_destination(peer_name, settings.node)
    named = [Outgoing(path, *read_outgoing(path)) for path in files_of(paths)]
    for refused in store(named, peer, settings.node):
        raise refused.error
    print(f"{counted(len(named), 'instance')} delivered to {peer.name}")
    return 0


def named_destination(name: str, node: NodeSettings) -> Peer:
    """Returns the destination of that name, which receives DICOM. Raises UsageError if there is none."""
    known = {peer.name: peer for peer in node.destinations if peer.report is None}
    if name not in known:
        names = ", ".join(known) or "none is set; add one with --peer NAME=AETITLE@HOST:PORT"
        raise UsageError(f"expected one of the destinations ({names}), got {name!r}")
    return known[name]


def files_of(paths: list[Path]) -> list[Path]:
    """Returns the named files and all files below the named folders. Raises UsageError if there are none."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"expected DICOM files or folders, {path} does not exist")
    files = [path for given in paths for path in (sorted(given.rglob("*")) if given.is_dir() else [given])]
    found = [path for path in files if path.is_file()]
    if not found:
        raise UsageError(f"expected DICOM files, got {'empty folders' if paths else 'none'}")
    return found


def notify_command(settings: Settings, target: str | None) -> int:
    """Sends a test message to one target or all, and returns the highest exit code."""
    from app.node.send.message_sending import send_test

    messages = settings.node.messages
    if messages is None:
        raise UsageError("expected targets of messages in app.yaml under osteon, node, messages, got none")
    worst = 0
    for name in messages.targets if target is None else (target,):
        try:
            send_test(name, settings.node)
            print(f"{name}: took a test message")
        except OsteonError as error:
            print(f"{name}: {error}")
            worst = max(worst, error.exit_code)
    return worst


def check_command(settings: Settings) -> int:
    """Prints the outcome of every check and returns the highest exit code."""
    from app.node.service.check import findings

    console, worst = Console(), 0
    for finding in findings(settings):
        mark = "[green]ok[/]  " if finding.code == 0 else "[red]fail[/]"
        console.print(f"{mark} {printable_text(finding.sentence)}", highlight=False, soft_wrap=True)
        worst = max(worst, finding.code)
    return worst
