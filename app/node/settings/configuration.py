"""The settings of a node: the section `node` of app.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.node.settings.messages import MessageSettings
from app.node.settings.patterns import checked_pattern
from app.node.settings.peer import Frozen, Peer, Role, Secret, TlsFiles, Urgency
from app.node.settings.redaction import revealed
from app.node.settings.web import WebSettings

Pattern = Annotated[str, AfterValidator(checked_pattern)]


class RoutingRule(Frozen):
    """A rule for some studies; it applies if every pattern given (a regular expression) matches."""

    calling_ae: Pattern = Field(
        "", description="AE title of the sender, or a pattern that matches the whole AE title"
    )
    modality: Pattern = Field(
        "", description="Modality of one of the series, or a pattern that matches the whole modality"
    )
    description: Pattern = Field("", description="Pattern to search for in the study and series descriptions")
    urgency: Urgency = Field(
        "normal", description="Urgent studies are processed first, without starving the others"
    )
    complete_images: int = Field(
        0, ge=0, description="The study is complete as soon as it has this many images; 0: never"
    )
    complete_series: tuple[str, ...] = Field(
        (), description="The study is complete as soon as each pattern is found in some series description"
    )

    @field_validator("complete_series")
    @classmethod
    def _patterns(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(checked_pattern(value) for value in values)


class NodeSettings(Frozen):
    """The settings for receiving studies, processing them and delivering the results."""

    ae_title: str = Field("OSTEON", description="This node's AE title")
    host: str = Field("0.0.0.0", description="Address to listen on")  # noqa: S104 (stated in the settings and documents)
    port: int = Field(11112, ge=0, le=65535, description="DICOM port")
    http_host: str = Field("127.0.0.1", description="Address for health checks, metrics and STOW-RS")
    http_port: int = Field(9112, ge=0, le=65535, description="Port for health checks, metrics and STOW-RS")
    data: Path = Field(Path("data"), description="Folder for everything received and produced")
    mount: Path | None = Field(
        None, description="Mount point that must have a disk mounted for the node to start; empty: no check"
    )
    database: Secret = Field("", description="URL of PostgreSQL; empty: SQLite in the data folder")
    peers: tuple[Peer, ...] = Field(
        (), description="DICOM nodes that may send or that receive results, and receivers of reports"
    )
    rules: tuple[RoutingRule, ...] = Field((), description="The first rule that matches a study applies")
    tls: TlsFiles | None = Field(
        None, description="Certificates; if set, the listener accepts TLS connections only"
    )
    watch: Path | None = Field(None, description="Folder whose DICOM files are received like sent ones")
    watch_settled_s: float = Field(
        5, ge=0, description="A file in the watched folder is read once unchanged for this many seconds"
    )
    stow: bool = Field(False, description="Whether to receive instances by STOW-RS on the HTTP port")
    http_names: tuple[str, ...] = Field(
        (), description="Host names of the HTTP port, in addition to localhost and IP addresses"
    )
    http_proxies: tuple[str, ...] = Field(
        (), description="IP addresses of proxies whose X-Forwarded-For is trusted; empty: none"
    )
    http_accounts: bool = Field(
        False, description="Whether metrics and STOW-RS require an account of the page, by HTTP Basic"
    )
    http_connections: int = Field(
        128,
        ge=8,
        le=4096,
        description="Maximum number of HTTP connections; the longest idle one is closed to make room",
    )
    web: WebSettings | None = Field(None, description="The page for people; empty: none")
    quiet_s: float = Field(
        30, ge=0, description="A study is complete this many seconds after its last instance"
    )
    forced_s: float = Field(
        3600, gt=0, description="A study is complete at most this many seconds after its first instance"
    )
    study_limit_s: float = Field(
        3600, gt=0, description="Time limit in seconds for the segmentation of one study"
    )
    read_ahead_mb: int = Field(
        512,
        ge=0,
        description="The next study is prefetched during a segmentation if its voxels take at most this many "
        "MB; 0: never",
    )
    crash_limit: int = Field(
        12, ge=1, description="A study fails when more than this many workers have died while processing it"
    )
    delivery_limit_s: float = Field(
        3 * 86400, gt=0, description="Seconds for which a failed delivery is retried"
    )
    commitment_s: float = Field(
        86400, gt=0, description="Seconds within which a peer must commit to a result"
    )
    retention_s: float = Field(
        7 * 86400, ge=0, description="Seconds for which delivered and refused studies are kept"
    )
    minimum_free_mb: int = Field(
        2000,
        ge=0,
        description="Below this free disk space in MB nothing is received; C-STORE is answered with A700",
    )
    notice_url: Secret = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL to notify by HTTP POST of corrections, conflicts and failed jobs; empty: none",
    )
    urgent_findings: bool = Field(
        False,
        description="Whether results that show a fracture, and later jobs of the same study, have precedence "
        "like urgent ones",
    )
    notice_findings: bool = Field(
        False, description="Whether notice_url is also notified of each job whose results show a fracture"
    )
    messages: MessageSettings | None = Field(
        None, description="Messages to people by mail, chat or webhook; empty: none"
    )
    audit: Path | None = Field(
        None, description="File of the audit trail; empty: audit.xml in the data folder"
    )
    maximum_associations: int = Field(64, ge=1, description="Maximum number of concurrent associations")
    maximum_pdu_bytes: int = Field(
        262144, ge=4096, le=1 << 20, description="Size in bytes of the largest PDU that peers may send"
    )
    network_s: float = Field(
        60, gt=0, description="A peer that is silent for this many seconds is disconnected"
    )
    lost_s: float = Field(
        300, gt=0, description="Other machines take over from one without heartbeat for this many seconds"
    )
    grace_s: float = Field(120, ge=0, description="Seconds to finish work in progress when the node stops")
    roles: tuple[Role, ...] = Field(
        ("receive", "segment", "send"),
        description="What this machine does; with PostgreSQL and a shared data folder, several machines can "
        "share the work",
    )
    workers: int = Field(1, ge=1, description="Number of processes that segment")

    @property
    def sources(self) -> tuple[Peer, ...]:
        """Returns the peers that may send."""
        return tuple(peer for peer in self.peers if peer.sends and peer.report is None)

    @property
    def destinations(self) -> tuple[Peer, ...]:
        """Returns the peers that results are sent to."""
        return tuple(peer for peer in self.peers if peer.receives)

    @property
    def database_url(self) -> str:
        """Returns the URL of PostgreSQL, or of the SQLite file in the data folder."""
        return revealed(self.database) or f"sqlite:///{(self.data / 'osteon.sqlite').resolve()}"

    @field_validator("database")
    @classmethod
    def _a_database(cls, value: str) -> str:
        if value and not is_database_address(revealed(value)):
            raise ValueError(
                "expected postgresql://[USER:PASSWORD@]HOST[:PORT]/NAME with %2F for / and %40 for @ in names"
            )
        return value

    @model_validator(mode="after")
    def _certificates_for_tls(self) -> NodeSettings:
        """Refuses a peer with TLS without certificates, as its data would go out unencrypted."""
        named = [peer.name for peer in self.peers if peer.tls]
        if named and self.tls is None:
            raise ValueError(
                f"expected the setting tls with certificate, key and authority, as {', '.join(named)} has "
                "tls: true; got none"
            )
        return self

    @model_validator(mode="after")
    def _distinct_names(self) -> NodeSettings:
        names = [peer.name for peer in self.peers]
        if len(set(names)) != len(names):
            raise ValueError("expected peers with different names")
        return self


def is_database_address(text: str) -> bool:
    """Returns whether the URL names PostgreSQL and is unambiguous."""
    try:
        parts = urlsplit(text)
        known = parts.port != 0
    except ValueError:
        return False
    return known and parts.scheme.split("+")[0] in ("postgres", "postgresql") and "@" not in parts.path
