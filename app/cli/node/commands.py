"""The node's commands: serve, send, notify, check."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Device, Mode, Models, OperatingPoint, Precision, Runtime
from app.cli.node.options import Data, Database, NodeOptions, Peers, node_settings
from app.printable import counted, printable_text
from operators.errors import OsteonError, UsageError

if TYPE_CHECKING:
    from app.node.settings.configuration import NodeSettings
    from app.node.settings.peer import Peer


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
    from app.node.service.supervisor import serve as serve_node
    from app.settings import file_in_use
    from operators.package_files.package_reader import read_packages

    how = {"models": models, "device": device, "runtime": runtime, "precision": precision, "mode": mode}
    settings = node_settings(asdict(node), peer, config, operating_point=operating_point, **how)
    if "segment" in settings.node.roles:
        read_packages(settings.models)
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
    from app.node.peers.destination import Outgoing
    from app.node.send.sender import store
    from operators.dicom.elements.instance_identity import read_outgoing

    settings = node_settings({}, to, config=config)
    destination = named_destination(peer, settings.node)
    named = [Outgoing(path, *read_outgoing(path)) for path in files_of(list(paths))]
    for refused in store(named, destination, settings.node):
        raise refused.error
    print(f"{counted(len(named), 'instance')} delivered to {destination.name}")
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


def notify(target: str | None = None, /, *, config: Config = None) -> int:
    """Send a test message to every target of `messages`, or to TARGET, also in quiet hours.

    Parameters
    ----------
    target
        Name of the target in app.yaml.
    """
    from app.node.send.message_sending import send_test

    node = node_settings({}, config=config).node
    messages = node.messages
    if messages is None:
        raise UsageError("expected targets of messages in app.yaml under osteon, node, messages, got none")
    worst = 0
    for name in messages.targets if target is None else (target,):
        try:
            send_test(name, node)
            print(f"{name}: took a test message")
        except OsteonError as error:
            print(f"{name}: {error}")
            worst = max(worst, error.exit_code)
    return worst


def check(
    *,
    data: Data = None,
    database: Database = None,
    peer: Peers = None,
    models: Models = None,
    config: Config = None,
) -> int:
    """Check models, disk, database and peers; say what is wrong and how to fix it."""
    from app.node.service.check import findings

    settings = node_settings({"data": data, "database": database}, peer, config=config, models=models)
    console, worst = Console(), 0
    for finding in findings(settings):
        mark = "[green]ok[/]  " if finding.code == 0 else "[red]fail[/]"
        console.print(f"{mark} {printable_text(finding.sentence)}", highlight=False, soft_wrap=True)
        worst = max(worst, finding.code)
    return worst
