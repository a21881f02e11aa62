"""The settings of a peer, and what all settings share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from app.node.settings.redaction import SecretUrl, revealed

# PS3.5 6.2, AE: at most 16 characters of the default repertoire, no backslash, no control characters.
AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
Role = Literal["receive", "segment", "send"]
Urgency = Literal["urgent", "normal", "low"]
Result = Literal["seg", "sr", "summary", "pdf", "text", "sc", "turntable", "kos", "labelmap", "rtstruct"]
# The kind of result from which reports are made (app/run/results.py)
REPORT = "report"
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


class ReportTarget(Frozen):
    """A system that receives reports instead of DICOM: by HL7 v2 or FHIR, one of `hl7` and `fhir`."""

    hl7: str = Field(
        "", description="Address for ORU^R01 messages by MLLP: mllp://HOST:PORT, or mllps:// with TLS"
    )
    application: str = Field("", max_length=180, description="Receiving application of the messages (MSH-5)")
    facility: str = Field("", max_length=180, description="Receiving facility of the messages (MSH-6)")
    fhir: Secret = Field(
        "",
        pattern=r"^(https?://\S+[^/])?$",
        description="Base URL of a FHIR R4 server, which receives transactions with a DiagnosticReport and "
        "Observations; it may hold user and password",
    )
    token_file: Path | None = Field(
        None, description="File whose first line is a bearer token for the FHIR server; read for each attempt"
    )
    authority: Path | None = Field(
        None, description="Authorities that sign the system's certificate, in PEM; empty: the system's own"
    )

    @field_validator("hl7")
    @classmethod
    def _an_mllp_address(cls, value: str) -> str:
        if value and not is_mllp_address(value):
            raise ValueError("expected mllp://HOST:PORT or mllps://HOST:PORT")
        return value

    @field_validator("fhir")
    @classmethod
    def _a_base(cls, value: str) -> str:
        return checked_address(value)

    @model_validator(mode="after")
    def _one_address(self) -> ReportTarget:
        if bool(self.hl7) == bool(self.fhir):
            raise ValueError("expected one of hl7 and fhir")
        return self

    @property
    def protocol(self) -> Literal["hl7", "fhir"]:
        """Returns how reports are sent."""
        return "hl7" if self.hl7 else "fhir"

    @property
    def address(self) -> str:
        """Returns the machine that reports go to."""
        return urlsplit(self.hl7 or revealed(self.fhir)).hostname or ""


class Peer(Frozen):
    """Another DICOM node that may send to this one, receives results, or both; or a receiver of reports."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="Name of the peer in this file")
    ae_title: str = Field("", description="AE title of the peer; required, except with report")
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
        ("seg", "sr", "summary"),
        min_length=1,
        description="Results to send: seg (segmentation), sr (report), summary (one page, as a picture), pdf "
        "(the same page), text (the same in words, as an SR for viewers such as OHIF), sc (pictures), "
        "turntable (rotating view of the bones), kos (key slices), labelmap, rtstruct",
    )
    instead: tuple[FallbackEncoding, ...] = Field(
        ("labelmap", "rtstruct", "sc"),
        description="Fallback encodings if the peer refuses the SEG: the first one that it accepts is sent",
    )

    report: ReportTarget | None = Field(
        None, description="Send reports by HL7 v2 or FHIR to this peer instead of DICOM; empty: no"
    )

    @field_validator("ae_title")
    @classmethod
    def _an_ae_title(cls, value: str) -> str:
        if value and not AE_TITLE.fullmatch(value.strip()):
            raise ValueError("expected an AE title of 1 to 16 characters")
        return value.strip()

    @field_validator("stow")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return checked_address(value)

    @model_validator(mode="after")
    def _dicom_or_reports(self) -> Peer:
        if self.report is None and not self.ae_title:
            raise ValueError(f"expected an ae_title for {self.name}")
        if self.report and not self.receives:
            raise ValueError(f"expected receives: true for {self.name}, which has report")
        dicom = ("host", "stow", "commitment", "tls", "ae_title")
        if self.report and (named := [name for name in dicom if getattr(self, name)]):
            raise ValueError(f"expected no {', '.join(named)} for {self.name}, which receives reports")
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Peer:
        if self.receives and not (self.host or self.stow or self.report):
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
        if self.report:
            return self.report.address
        return self.host or urlsplit(revealed(self.stow)).hostname or ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Returns the kinds of results that are sent to the peer, rows of RESULTS (app/run/results.py)."""
        return (REPORT,) if self.report else self.results

    @property
    def fallbacks(self) -> tuple[FallbackEncoding, ...]:
        """Returns the fallback encodings that may replace the SEG, if the peer should receive one."""
        wanted = self.instead if "seg" in self.kinds else ()
        return tuple(kind for kind in wanted if kind not in self.results)


def checked_address(value: str) -> str:
    """Returns an address. Raises ValueError if it is ambiguous."""
    if value and not is_web_address(revealed(value)):
        raise ValueError(
            "expected http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH] with %2F for / and %40 for @ in names"
        )
    return value


def is_mllp_address(text: str) -> bool:
    """Returns whether an address names an MLLP receiver."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("mllp", "mllps") and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        return False
    return known and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)


def is_web_address(text: str) -> bool:
    """Returns whether the URL is unambiguous: an unescaped / or # in a password would end the host."""
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and not (parts.query or parts.fragment) and "@" not in parts.path
