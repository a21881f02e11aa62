"""The options that commands of the node share, and the settings that they give."""

from __future__ import annotations

import re
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from app.node.settings.configuration import NodeSettings
from app.settings import Settings, read_settings
from operators.errors import UsageError

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
# NAME=AETITLE, for a destination NAME=AETITLE@HOST:PORT or NAME=AETITLE@http(s)://ADDRESS
PEER = re.compile(
    r"(?P<name>[a-z0-9-]+)=(?P<ae_title>[^@]+)(@((?P<stow>https?://.+)|(?P<host>[^:]+):(?P<port>\d+)))?"
)


def option(name: str) -> tuple[str, Any, Any]:
    """Returns a setting as an option with the setting's description; None means not given."""
    setting = NodeSettings.model_fields[name]
    kind: Any = str if name == "database" else setting.annotation
    return name, Annotated[kind | None, Parameter(help=f"{setting.description}.")], field(default=None)


NodeOptions: Any = make_dataclass("NodeOptions", map(option, OPTIONS), frozen=True)
# cyclopts takes a class of the standard library, as which a made dataclass counts, for a single value
NodeOptions.__module__ = __name__


def node_settings(
    given: dict[str, Any], peers: list[str] | None = None, config: Path | None = None, **others: Any
) -> Settings:
    """Returns the settings with the node's options of the command line; `peers` are added to the file's."""
    node = {key: value for key, value in given.items() if value is not None}
    if peers:
        known = [peer.model_dump() for peer in read_settings(config).node.peers]
        node["peers"] = (*known, *map(peer_of, peers))
    return read_settings(config, node=node or None, **others)


def existing_node(data: Path | None, database: str | None = None, config: Path | None = None) -> Settings:
    """Returns the settings of a node whose data folder exists, see `require_node`. Raises UsageError."""
    settings = node_settings({"data": data, "database": database}, config=config)
    require_node(settings.node)
    return settings


def peer_of(text: str) -> dict[str, Any]:
    """Parses a peer of the command line. Raises UsageError."""
    found = PEER.fullmatch(text)
    if not found:
        # The part after the first @ may hold a password
        begun = text.partition("@")[0]
        raise UsageError(f"expected a peer as NAME=AETITLE[@HOST:PORT or @http...], got {begun!r} and more")
    values = {key: value for key, value in found.groupdict().items() if value}
    return values | {"receives": bool(found["host"] or found["stow"])}


def require_node(node: NodeSettings) -> None:
    """Raises UsageError if the data folder does not exist, so that a wrong name does not create one."""
    if not node.database and not node.data.is_dir():
        got = "which is a file" if node.data.exists() else "which does not exist"
        raise UsageError(f"expected the data folder of a node at --data, got {node.data}, {got}")
