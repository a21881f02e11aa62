"""`osteon jobs`: shows the node's jobs, and acts on one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Json
from app.cli.node.options import Data, Database, node_settings, require_node
from app.node.queue.jobs.job_names import named_job, short_ids
from app.printable import printable_json
from app.settings import Settings
from operators.errors import UsageError

if TYPE_CHECKING:
    from dbos import DBOSClient

    from app.node.queue.jobs.job_state import JobState

Action = Literal[
    "list", "show", "retry", "cancel", "delete", "send-now", "hold", "release", "raise", "withdraw", "accept",
    "dismiss",
]  # fmt: skip


def jobs(
    action: Action = "list",
    job_id: str | None = None,
    /,
    *,
    accession: Annotated[bool, Parameter(negative="", help="List accession numbers, from the files")] = False,
    data: Data = None,
    database: Database = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Show the state of every study, or act on one.

    list and show print jobs. retry starts a failed job again, cancel ends a job, send-now retries a postponed
    delivery at once, delete removes a study with its results and jobs. hold keeps a queued job waiting until
    release, raise puts one before all others. withdraw asks every destination to reject the results. accept
    and dismiss settle a conflict: accept uses the later versions of the instances, dismiss keeps the earlier
    ones.

    Parameters
    ----------
    action
        What to do.
    job_id
        The job's short id from the list, or the beginning or end of its id if no other job shares it.
    """
    node = node_settings({"data": data, "database": database}, config=config)
    return jobs_command(node, action, job_id, json_, accession)


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
    from app.node.studies.study_identity import identity_of

    found = list_jobs(client, detailed=True)
    data, asked = settings.node.data, found if accession else ()
    numbers = {job.job_id: identity_of(data, job.job_id).accession for job in asked}
    names = short_ids(job.job_id for job in found)
    if as_json:
        print(printable_json([json_of(job, names, numbers) for job in found]))
        return
    show_jobs(found, names, numbers, Console(), datetime.now().astimezone())


def show_one(settings: Settings, client: DBOSClient, job_id: str, as_json: bool) -> None:
    """Prints one job, with its folder and its accession number."""
    from app.node.queue.jobs.job_list import job_ids, list_jobs
    from app.node.queue.jobs.jobs_screen import show_job
    from app.node.studies.study_identity import identity_of

    (job,) = list_jobs(client, [job_id], detailed=True)
    names, number = short_ids(job_ids(client)), identity_of(settings.node.data, job_id).accession
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
