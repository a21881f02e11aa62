"""The settings of a node: the section `node` of app.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from app.node.settings.patterns import checked_pattern
from app.node.settings.redaction import SecretUrl, revealed

# PS3.5 6.2, AE: at most 16 characters of the default repertoire, no backslash, no control characters.
AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
Role = Literal["receive", "segment", "send"]
Urgency = Literal["urgent", "normal", "low"]
Result = Literal["seg", "sr", "sc", "turntable", "kos", "labelmap", "rtstruct"]
FallbackEncoding = Literal["labelmap", "rtstruct", "sc"]
# A URL that may hold a password, which no message shows
Secret = Annotated[str, AfterValidator(SecretUrl)]


class Frozen(BaseModel):
    """Base of the settings: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TlsFiles(Frozen):
    """Certificate files in PEM format; setting them enables DICOM TLS (PS3.15 B.12)."""

    certificate: Path = Field(description="This node's certificate")
    key: Path = Field(description="Its private key")
    authority: Path = Field(description="Certificates of the authorities that sign the peers' certificates")


class Peer(Frozen):
    """Another DICOM node that may send to this one, receives results, or both."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="Name of the peer in this file")
    ae_title: str = Field(description="AE title of the peer")
    host: str = Field("", description="Host on which the peer listens; required to send to it by DICOM")
    port: int = Field(104, ge=1, le=65535, description="DICOM port of the peer")
    sends: bool = Field(True, description="Whether the peer may send to this node")
    receives: bool = Field(False, description="Whether results are sent to the peer")
    addresses: tuple[str, ...] = Field(
        (), description="IP addresses from which the AE title may be used; empty: any"
    )
    stow: Secret = Field(
        "",
        pattern=r"^(https?://\S+[^/])?$",
        description="URL of a STOW-RS service (http:// or https://), used instead of C-STORE",
    )
    commitment: bool = Field(False, description="Whether to request storage commitment for sent results")
    tls: bool = Field(False, description="Whether to connect to the peer by TLS")
    results: tuple[Result, ...] = Field(
        ("seg", "sr"),
        min_length=1,
        description="Results to send: seg (segmentation), sr (report), sc (pictures), turntable (rotating "
        "view of the bones), kos (key slices), labelmap, rtstruct",
    )
    instead: tuple[FallbackEncoding, ...] = Field(
        ("labelmap", "rtstruct", "sc"),
        description="Fallback encodings if the peer refuses the SEG: the first one that it accepts is sent",
    )

    @field_validator("ae_title")
    @classmethod
    def _an_ae_title(cls, value: str) -> str:
        if not AE_TITLE.fullmatch(value.strip()):
            raise ValueError("expected an AE title of 1 to 16 characters")
        return value.strip()

    @field_validator("stow")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not is_web_address(revealed(value)):
            raise ValueError(
                "expected http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH] with %2F for / and %40 for @ in names"
            )
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Peer:
        if self.receives and not (self.host or self.stow):
            raise ValueError(f"expected a host or a STOW-RS address for {self.name}, which receives")
        if self.commitment and not self.host:
            raise ValueError(f"expected a host for {self.name}, as storage commitment is requested by DICOM")
        if self.commitment and not self.sends:
            raise ValueError(f"expected sends: true for {self.name}, as its commitment comes to this node")
        if self.tls and self.stow and not revealed(self.stow).startswith("https:"):
            raise ValueError(f"expected an address with https: for {self.name}, which has tls: true")
        return self

    @property
    def address(self) -> str:
        """Returns the address of the machine that results go to."""
        return self.host or urlsplit(revealed(self.stow)).hostname or ""

    @property
    def fallbacks(self) -> tuple[FallbackEncoding, ...]:
        """Returns the fallback encodings that may replace the SEG, if the peer should receive one."""
        wanted = self.instead if "seg" in self.results else ()
        return tuple(kind for kind in wanted if kind not in self.results)


class RoutingRule(Frozen):
    """A rule for some studies; it applies if every pattern given (a regular expression) matches."""

    calling_ae: str = Field(
        "", description="AE title of the sender, or a pattern that matches the whole AE title"
    )
    modality: str = Field(
        "", description="Modality of one of the series, or a pattern that matches the whole modality"
    )
    description: str = Field("", description="Pattern to search for in the study and series descriptions")
    urgency: Urgency = Field(
        "normal", description="Urgent studies are processed first, without starving the others"
    )
    complete_images: int = Field(
        0, ge=0, description="The study is complete as soon as it has this many images; 0: never"
    )
    complete_series: tuple[str, ...] = Field(
        (), description="The study is complete as soon as each pattern is found in some series description"
    )

    @field_validator("calling_ae", "modality", "description")
    @classmethod
    def _a_pattern(cls, value: str) -> str:
        return checked_pattern(value)

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
    peers: tuple[Peer, ...] = Field((), description="DICOM nodes that may send or that receive results")
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
    http_connections: int = Field(
        128,
        ge=8,
        le=4096,
        description="Maximum number of HTTP connections; the longest idle one is closed to make room",
    )
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
        return tuple(peer for peer in self.peers if peer.sends)

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


def is_web_address(text: str) -> bool:
    """Returns whether the URL is unambiguous: an unescaped / or # in a password would end the host."""
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and not (parts.query or parts.fragment) and "@" not in parts.path


def is_database_address(text: str) -> bool:
    """Returns whether the URL names PostgreSQL and is unambiguous."""
    try:
        parts = urlsplit(text)
        known = parts.port != 0
    except ValueError:
        return False
    return known and parts.scheme.split("+")[0] in ("postgres", "postgresql") and "@" not in parts.path
