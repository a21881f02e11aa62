"""`osteon check`: tests everything that a node needs, and says how to fix what fails."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.node.queue.database import database_file, open_connection, prepare_database, require_not_lost
from app.node.send.message_sending import require_library, service_of
from app.node.send.peer_states import echo
from app.node.service.page_check import page_findings
from app.node.settings.configuration import NodeSettings
from app.node.settings.ignored import ignored_settings
from app.node.settings.peer import Peer
from app.node.storage.data_folder import DataFolderError, require_usable
from app.node.storage.disk import MEGABYTE
from app.run.series_job import networks_of
from app.settings import Settings
from operators.errors import OsteonError, OutputError, UsageError
from operators.package_files.package_reader import read_packages

URL_HINT = "; is its URL (`database`) right, is it running?"


@dataclass(frozen=True)
class CheckFinding:
    """The outcome of one check; `code` is 0 if it passed, otherwise the exit code of the failure."""

    code: int
    sentence: str


def findings(settings: Settings) -> Iterator[CheckFinding]:
    """Yields the outcome of every check: models, disk, database, port, peers, messages, page, settings."""
    yield models(settings)
    yield disk(settings.node)
    yield database(settings.node)
    yield port(settings.node)
    yield from peers(settings.node)
    yield from messages(settings.node)
    yield from (CheckFinding(*each) for each in page_findings(settings.node))
    yield from (CheckFinding(2, f"settings: {sentence}") for sentence in ignored_settings(settings.node))


def models(settings: Settings) -> CheckFinding:
    """Checks the packages by loading every network once."""
    try:
        packages = read_packages(settings.models)
        networks = networks_of(settings)
        for spec in (spec for package in packages for spec in package.networks):
            networks.get(spec)
    except OsteonError as error:
        hint = "; name their folder with --models" if error.code == "no_packages" else ""
        return CheckFinding(error.exit_code, f"models: {error}{hint}")
    return CheckFinding(0, f"models: {', '.join(package.name for package in packages)}")


def disk(node: NodeSettings) -> CheckFinding:
    """Checks that the data folder is usable and has enough free space."""
    try:
        require_usable(node)
        free_mb = free_bytes(node.data) // MEGABYTE
    except OSError as error:
        text = f"disk: expected a folder that can be written at {node.data}, got: {error.strerror}"
        return CheckFinding(OutputError.exit_code, text)
    except DataFolderError as error:
        return CheckFinding(error.exit_code, f"disk: {error}")
    if free_mb < node.minimum_free_mb:
        text = f"disk: expected {node.minimum_free_mb} MB free, got {free_mb}; C-STORE is answered with A700"
        return CheckFinding(OutputError.exit_code, text)
    made = "" if node.data.exists() else f"; {node.data} is created when the node starts"
    return CheckFinding(0, f"disk: {free_mb} MB free{made}")


def free_bytes(folder: Path) -> int:
    """Returns the free bytes on the disk of a folder that need not exist yet. Raises OSError."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return shutil.disk_usage(there).free


def database(node: NodeSettings) -> CheckFinding:
    """Checks that the tables can be created and read; a missing SQLite file is left to the node."""
    try:
        if not node.database and not database_file(node).exists():
            require_not_lost(node)
            return CheckFinding(0, "database: SQLite; its file is created when the node starts")
        prepare_database(node)
        open_connection(node).list_workflows(limit=1)
    except OsteonError as error:
        return CheckFinding(error.exit_code, f"database: {error}{URL_HINT if node.database else ''}")
    return CheckFinding(0, f"database: {'PostgreSQL' if node.database else 'SQLite'} answers")


def port(node: NodeSettings) -> CheckFinding:
    """Checks whether the DICOM port can be bound, or is in use already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((node.host, node.port))
        except OSError as error:
            return bound(node, error)
    return CheckFinding(0, f"port {node.port}: free; the node is not running")


def bound(node: NodeSettings, error: OSError) -> CheckFinding:
    """Returns the outcome for a port that cannot be bound; in use is no failure."""
    if error.errno == errno.EADDRINUSE:
        return CheckFinding(0, f"port {node.port}: in use, by this node if it is running")
    if error.errno == errno.EACCES:
        text = f"port {node.port}: expected permission to listen on it; set `port` above 1023"
        return CheckFinding(UsageError.exit_code, text)
    text = f"expected `host` to be an address of this machine, got {node.host}: {error.strerror}"
    return CheckFinding(UsageError.exit_code, f"port {node.port}: {text}")


def peers(node: NodeSettings) -> Iterator[CheckFinding]:
    """Checks that some peer may send, and that each destination answers C-ECHO or HTTP."""
    if not node.sources:
        hint = "name one in app.yaml under osteon, node, peers, or with --peer"
        yield CheckFinding(UsageError.exit_code, f"peers: none may send; {hint}")
    for peer in node.destinations:
        try:
            echo(peer, node)
            yield CheckFinding(0, f"peer {peer.name}: {answers(peer)}")
        except OsteonError as error:
            yield CheckFinding(error.exit_code, f"peer {peer.name}: {error}")


def answers(peer: Peer) -> str:
    """Returns how a destination has answered."""
    if peer.report is not None:
        return "accepts connections" if peer.report.protocol == "hl7" else "answers as a FHIR server"
    return "answers by HTTP" if peer.stow else "answers C-ECHO"


def messages(node: NodeSettings) -> Iterator[CheckFinding]:
    """Checks that apprise is installed and knows each address; `osteon notify` sends a message."""
    for name, target in node.messages.targets.items() if node.messages else ():
        try:
            require_library()
            service_of(name, target)
            yield CheckFinding(0, f"messages {name}: the address is known; osteon notify sends a test")
        except OsteonError as error:
            yield CheckFinding(error.exit_code, f"messages {name}: {error}")
