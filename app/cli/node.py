"""The node's commands: serve, send, jobs, check."""

from __future__ import annotations

from dataclasses import asdict, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from app.cli.arguments import Config, Device, Json, Mode, Models, OperatingPoint, Precision, Runtime
from app.node.settings.configuration import NodeSettings

Data = Annotated[Path | None, Parameter(help="Folder for everything received and produced")]
Database = Annotated[str | None, Parameter(help="URL of PostgreSQL; default: SQLite in the data folder")]
PEER_HELP = "NAME=AETITLE may send; NAME=AETITLE@HOST:PORT, or @http(s)-address, also receives results"
Peers = Annotated[list[str] | None, Parameter(name="--peer", negative="", help=PEER_HELP)]
# Settings of the node that are also options of the command line; app.yaml accepts all settings
OPTIONS = (
    "ae_title", "host", "port", "http_host", "http_port", "data", "database", "quiet_s", "forced_s",
    "study_limit_s", "retention_s", "delivery_limit_s", "minimum_free_mb", "workers", "maximum_associations",
    "maximum_pdu_bytes", "network_s", "grace_s", "commitment_s", "crash_limit", "lost_s", "audit", "watch",
    "watch_settled_s", "stow", "mount",
)  # fmt: skip


Action = Literal[
    "list", "show", "retry", "cancel", "delete", "send-now", "hold", "release", "raise", "withdraw", "accept",
    "dismiss",
]  # fmt: skip


def option(name: str) -> tuple[str, Any, Any]:
    """Returns a setting as an option with the setting's description; None means not given."""
    setting = NodeSettings.model_fields[name]
    kind: Any = str if name == "database" else setting.annotation
    return name, Annotated[kind | None, Parameter(help=f"{setting.description}.")], field(default=None)


NodeOptions: Any = make_dataclass("NodeOptions", map(option, OPTIONS), frozen=True)
# cyclopts takes a class of the standard library, as which a made dataclass counts, for a single value
NodeOptions.__module__ = __name__


def serve(
    *,
    node: Annotated[NodeOptions, Parameter(name="*")] = NodeOptions(),  # noqa: B008 (frozen)
    peer: Peers = None,
    models: Models = None,
    device: Device = None,
    runtime: Runtime = None,
    precision: Precision = None,
    mode: Mode = None,
    operating_point: OperatingPoint = None,
    config: Config = None,
) -> int:
    """Run the PACS node: receive studies, segment them, deliver the results. Configured in app.yaml."""
    from app.node.service.command import node_settings, require_packages
    from app.node.service.supervisor import serve as serve_node
    from app.settings import file_in_use

    how = {"models": models, "device": device, "runtime": runtime, "precision": precision, "mode": mode}
    settings = node_settings(asdict(node), peer, config, operating_point=operating_point, **how)
    require_packages(settings)
    if settings.node.web is None:
        return serve_node(settings, file_in_use(config))
    from app.web.server import web_part

    return serve_node(settings, file_in_use(config), web_part)


def send(peer: str, /, *paths: Path, to: Peers = None, config: Config = None) -> int:
    """Send DICOM files or folders to the destination PEER of app.yaml or --peer.

    Parameters
    ----------
    peer
        Name of the destination.
    paths
        Files, or folders, which are searched recursively.
    """
    from app.node.service.command import node_settings, send_command

    return send_command(node_settings({}, to, config=config), peer, list(paths))


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
    from app.node.service.command import jobs_command, node_settings

    node = node_settings({"data": data, "database": database}, config=config)
    return jobs_command(node, action, job_id, json_, accession)


def notify(target: str | None = None, /, *, config: Config = None) -> int:
    """Send a test message to every target of `messages`, or to TARGET, also in quiet hours.

    Parameters
    ----------
    target
        Name of the target in app.yaml.
    """
    from app.node.service.command import node_settings, notify_command

    return notify_command(node_settings({}, config=config), target)


def check(
    *,
    data: Data = None,
    database: Database = None,
    peer: Peers = None,
    models: Models = None,
    config: Config = None,
) -> int:
    """Check models, disk, database and peers; say what is wrong and how to fix it."""
    from app.node.service.command import check_command, node_settings

    given = {"data": data, "database": database}
    return check_command(node_settings(given, peer, config=config, models=models))
