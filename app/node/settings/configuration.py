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
    """Values that never change and have no other names than these."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TlsFiles(Frozen):
    """Certificate files in PEM; naming them switches DICOM TLS on (PS3.15 B.12)."""

    certificate: Path = Field(description="This node's certificate")
    key: Path = Field(description="Its private key")
    authority: Path = Field(description="Certificates of the authorities that sign the peers' certificates")


class Peer(Frozen):
    """Another DICOM node: one that may send to this one, or that results go to, or both."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="Its name in this file")
    ae_title: str = Field(description="Its AE title")
    host: str = Field("", description="Where it listens; needed for one that receives")
    port: int = Field(104, ge=1, le=65535, description="Its DICOM port")
    sends: bool = Field(True, description="May send to this node")
    receives: bool = Field(False, description="Results are sent to it")
    addresses: tuple[str, ...] = Field((), description="IP addresses that may use the AE title; empty: any")
    stow: Secret = Field(
        "", pattern=r"^(https?://\S+[^/])?$", description="STOW-RS instead of C-STORE: http..."
    )
    commitment: bool = Field(False, description="Ask it for storage commitment of what it was sent")
    tls: bool = Field(False, description="Connect to it by TLS")
    results: tuple[Result, ...] = Field(
        ("seg", "sr"),
        min_length=1,
        description="What is sent: seg(mentation), sr (report), sc (pictures), turntable (the bones from all "
        "around), kos (key slices), labelmap, rtstruct",
    )
    instead: tuple[FallbackEncoding, ...] = Field(
        ("labelmap", "rtstruct", "sc"),
        description="Sent in place of a SEG that it refuses: the first of these that it accepts",
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
            raise ValueError(f"expected a host for {self.name}, which is asked to commit by DICOM")
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
        """Returns the fallback encodings that may replace the SEG, if the peer is to get one."""
        wanted = self.instead if "seg" in self.results else ()
        return tuple(kind for kind in wanted if kind not in self.results)


class RoutingRule(Frozen):
    """A rule for studies of a kind; every pattern given must be found (regular expressions)."""

    calling_ae: str = Field("", description="AE title that sent the study: itself, or a pattern of all of it")
    modality: str = Field("", description="Modality of any of its series: itself, or a pattern of all of it")
    description: str = Field("", description="Pattern found in a study or series description")
    urgency: Urgency = Field("normal", description="Urgent studies go first, without starving the rest")
    complete_images: int = Field(0, ge=0, description="A study with this many images is complete at once")
    complete_series: tuple[str, ...] = Field(
        (), description="Complete at once when each of these patterns was found in a series description"
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
    """Everything about receiving, working off and delivering."""

    ae_title: str = Field("OSTEON", description="This node's AE title")
    host: str = Field("0.0.0.0", description="Address to listen on")  # noqa: S104 (stated in the settings and documents)
    port: int = Field(11112, ge=0, le=65535, description="DICOM port")
    http_host: str = Field("127.0.0.1", description="Address of health, metrics and STOW-RS")
    http_port: int = Field(9112, ge=0, le=65535, description="Port of health, metrics and STOW-RS")
    data: Path = Field(Path("data"), description="Folder for everything received and produced")
    mount: Path | None = Field(
        None, description="Mount point without whose disk the node does not start; empty: any folder will do"
    )
    database: Secret = Field("", description="URL of PostgreSQL; empty: SQLite in the data folder")
    peers: tuple[Peer, ...] = Field((), description="Who may send, and who receives")
    rules: tuple[RoutingRule, ...] = Field((), description="The first rule that matches a study applies")
    tls: TlsFiles | None = Field(None, description="Certificates; with them the listener speaks TLS only")
    watch: Path | None = Field(None, description="Folder whose DICOM files are taken in like sent ones")
    watch_settled_s: float = Field(5, ge=0, description="A file there is taken once unchanged for this long")
    stow: bool = Field(False, description="Take instances by STOW-RS on the HTTP port")
    http_names: tuple[str, ...] = Field(
        (), description="Host names by which the HTTP port is called, beside localhost and IP addresses"
    )
    http_proxies: tuple[str, ...] = Field(
        (), description="IP addresses of proxies whose X-Forwarded-For is trusted; empty: none"
    )
    http_connections: int = Field(
        128,
        ge=8,
        le=4096,
        description="Concurrent HTTP connections; the longest idle one is closed to make room",
    )
    quiet_s: float = Field(30, ge=0, description="A study is complete this long after its last instance")
    forced_s: float = Field(3600, gt=0, description="And at most this long after its first")
    study_limit_s: float = Field(3600, gt=0, description="Time that the segmentation of one study may take")
    read_ahead_mb: int = Field(
        512, ge=0, description="The next study is read meanwhile where its voxels take no more; 0: never"
    )
    crash_limit: int = Field(
        12, ge=1, description="A study fails when more workers than this have died on it"
    )
    delivery_limit_s: float = Field(3 * 86400, gt=0, description="How long a failed delivery is retried")
    commitment_s: float = Field(86400, gt=0, description="How long a peer may take to commit to a result")
    retention_s: float = Field(
        7 * 86400, ge=0, description="Delivered and refused studies are kept this long"
    )
    minimum_free_mb: int = Field(
        2000, ge=0, description="With less free space nothing is accepted; C-STORE answers A700"
    )
    notice_url: Secret = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Receives an HTTP POST about corrections, conflicts and failed jobs; empty: none",
    )
    urgent_findings: bool = Field(
        False,
        description="Results of a study that shows a fracture, and its later jobs, go first like urgent ones",
    )
    notice_findings: bool = Field(
        False, description="notice_url also receives a notice of each job whose result shows a fracture"
    )
    audit: Path | None = Field(None, description="File of the audit trail; else audit.xml in the data folder")
    maximum_associations: int = Field(64, ge=1, description="Served at once")
    maximum_pdu_bytes: int = Field(262144, ge=4096, le=1 << 20, description="Largest PDU that peers may send")
    network_s: float = Field(60, gt=0, description="A peer silent for this long is disconnected")
    lost_s: float = Field(300, gt=0, description="Work of a machine silent for this long goes to the others")
    grace_s: float = Field(120, ge=0, description="Time to finish work in progress when stopping")
    roles: tuple[Role, ...] = Field(
        ("receive", "segment", "send"),
        description="What this machine does; with PostgreSQL and a shared data folder several share the work",
    )
    workers: int = Field(1, ge=1, description="Processes that segment")

    @property
    def sources(self) -> tuple[Peer, ...]:
        """Peers that may send."""
        return tuple(peer for peer in self.peers if peer.sends)

    @property
    def destinations(self) -> tuple[Peer, ...]:
        """Peers that results go to."""
        return tuple(peer for peer in self.peers if peer.receives)

    @property
    def database_url(self) -> str:
        """PostgreSQL, or the file in the data folder."""
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
        """Nothing that is to be encrypted goes out as plain text."""
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
    """Whether it can be read in one way only: an unescaped / or # in a password would end the host."""
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and not (parts.query or parts.fragment) and "@" not in parts.path


def is_database_address(text: str) -> bool:
    """Whether it names PostgreSQL, and can be read in one way only."""
    try:
        parts = urlsplit(text)
        known = parts.port != 0
    except ValueError:
        return False
    return known and parts.scheme.split("+")[0] in ("postgres", "postgresql") and "@" not in parts.path
