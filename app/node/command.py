"""The node's commands: what the command line gives becomes settings, and the outcome is shown."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.settings import Settings, read_settings
from operators.errors import UsageError

# NAME=AETITLE, for a destination NAME=AETITLE@HOST:PORT or NAME=AETITLE@http(s)://ADDRESS
PEER = re.compile(
    r"(?P<name>[a-z0-9-]+)=(?P<ae_title>[^@]+)(@((?P<stow>https?://.+)|(?P<host>[^:]+):(?P<port>\d+)))?"
)


def node_settings(
    given: dict[str, Any], peers: list[str] | None = None, **others: Any
) -> Settings:
    """Settings with what the command line says of the node; peers are added to those of app.yaml."""
    node = {key: value for key, value in given.items() if value is not None}
    if peers:
        known = [peer.model_dump() for peer in read_settings().node.peers]
        node["peers"] = (*known, *map(peer_of, peers))
    return read_settings(node=node or None, **others)


def peer_of(text: str) -> dict[str, Any]:
    """A peer from the command line. Raises UsageError."""
    found = PEER.fullmatch(text)
    if not found:
        raise UsageError(f"expected a peer as NAME=AETITLE[@HOST:PORT or @http...], got {text!r}")
    values = {key: value for key, value in found.groupdict().items() if value}
    return values | {"receives": bool(found["host"] or found["stow"])}


def jobs_command(settings: Settings, action: str, job_id: str | None, as_json: bool) -> int:
    """list, show, retry, cancel, delete, accept, dismiss."""
    from app.node import jobs, retention
    from app.node.audit import DECISIONS
    from app.node.database import connected, prepare_database
    from app.node.parts import audit_trail

    prepare_database(settings.node)
    client = connected(settings.node)
    if action == "list":
        show_jobs(jobs.list_jobs(client), as_json)
        return 0
    if job_id is None:
        raise UsageError(f"expected the id of a job: osteon jobs {action} ID")
    if action == "delete":
        retention.forget(settings.node, client, job_id, audit_trail(settings), getuser())
        return 0
    if action == "retry":
        jobs.retry(client, job_id, settings.node.data)
    if action == "cancel":
        jobs.cancel(client, job_id)
    if action in DECISIONS:
        settled = jobs.settle(client, job_id, action)
        audit_trail(settings).changed(settled.study_instance_uid, 0, DECISIONS[action], getuser())
    print(json.dumps(asdict(jobs.require_job(client, job_id)), indent=2))
    return 0


def show_jobs(found: list[Any], as_json: bool) -> None:
    """A line a job."""
    if as_json:
        print(json.dumps([asdict(job) for job in found], indent=2))
        return
    table = Table("job", "since", "state", "reason")
    for job in found:
        table.add_row(job.job_id, job.created_at, job.state, escape(job.sentence))
    Console().print(table)


def send_command(settings: Settings, peer_name: str, paths: list[Path]) -> int:
    """Sends DICOM files to a destination."""
    from app.node.destination import Outgoing
    from app.node.sender import destination, store
    from operators.dicom.instance_identity import read_outgoing

    peer = destination(peer_name, settings.node)
    files = [path for given in paths for path in (sorted(given.rglob("*")) if given.is_dir() else [given])]
    named = [Outgoing(path, *read_outgoing(path)) for path in files if path.is_file()]
    for refused in store(named, peer, settings.node):
        raise refused.error
    print(f"{len(named)} instances delivered to {peer.name}")
    return 0


def check_command(settings: Settings) -> int:
    """Says of everything the node needs whether it is well, and how to mend what is not."""
    from app.node.check import findings

    console, worst = Console(), 0
    for finding in findings(settings):
        mark = "[green]well[/]" if finding.code == 0 else "[red]ill[/] "
        console.print(f"{mark} {escape(finding.sentence)}", highlight=False, soft_wrap=True)
        worst = max(worst, finding.code)
    return worst
