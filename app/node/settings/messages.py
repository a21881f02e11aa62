"""The settings of messages by mail, chat or webhook, which the library apprise sends."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.node.settings.peer import Frozen
from app.node.settings.redaction import SecretAddress, revealed

Event = Literal["positive", "urgent", "failed", "refused", "disk", "peer"]
EVENTS: tuple[Event, ...] = get_args(Event)
# What a template may name; the second ones only with `patient: true`
FIELDS = (
    "ae_title", "event", "what", "sentence", "state", "code", "job", "study", "peer", "time",
)  # fmt: skip
PATIENT_FIELDS = ("patient_name", "patient_id", "accession_number")
HOURS = r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$"


class MessageTarget(Frozen):
    """Where messages go: one of `url` and `url_file`."""

    url: Annotated[str, AfterValidator(SecretAddress)] = Field(
        "",
        description="Address in apprise's notation, such as mailtos://USER:PASSWORD@HOST?to=A@B, json://HOST/PATH",
    )
    url_file: Path | None = Field(
        None, description="File whose first line is the address; read again for every message"
    )
    events: tuple[Event, ...] = Field(
        EVENTS,
        min_length=1,
        description="What it is told: positive (a result shows a fracture), urgent (an urgent study was "
        "received), failed, refused (a study), disk (nothing is received below minimum_free_mb, and again "
        "after), peer (a destination does not answer, and answers again)",
    )

    @field_validator("url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and "://" not in revealed(value):
            raise ValueError("expected an address with ://, as in apprise's documentation")
        return value

    @model_validator(mode="after")
    def _one_address(self) -> MessageTarget:
        if bool(self.url) == (self.url_file is not None):
            raise ValueError("expected one of url and url_file")
        return self


class MessageSettings(Frozen):
    """Messages to people and programs. It needs the extra `messages`."""

    targets: dict[str, MessageTarget] = Field(
        min_length=1, description="Where messages go, by a name of small letters, digits and hyphens"
    )
    quiet_hours: str = Field(
        "",
        pattern=HOURS,
        description="Hours of this machine's clock, such as 22:00-07:00, in which messages are held; they "
        "are sent together at their end; empty: none",
    )
    break_quiet: tuple[Event, ...] = Field(("disk",), description="Events that are sent in quiet hours too")
    patient: bool = Field(
        False,
        description="Whether templates may name the patient: patient_name, patient_id, accession_number",
    )
    templates: dict[Event, str] = Field(
        {}, description="Text by event, with fields in braces; the first line is the subject"
    )
    echo_s: float = Field(
        60, gt=0, description="Interval in seconds for testing the destinations, if anybody is told of peer"
    )

    @field_validator("targets")
    @classmethod
    def _named(cls, value: dict[str, MessageTarget]) -> dict[str, MessageTarget]:
        for name in value:
            if not (0 < len(name) <= 32 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")):
                raise ValueError("expected names of targets of small letters, digits and hyphens")
        return value

    @model_validator(mode="after")
    def _known_fields(self) -> MessageSettings:
        allowed = FIELDS + (PATIENT_FIELDS if self.patient else ())
        for event, text in self.templates.items():
            for name in fields_of(text, event):
                if name not in allowed:
                    hint = ", or patient: true" if name in PATIENT_FIELDS else ""
                    raise ValueError(f"expected {{{'}, {'.join(allowed)}}}{hint} in the template of {event}")
        return self

    @property
    def quiet(self) -> tuple[time, time] | None:
        """Returns the begin and the end of the quiet hours, or None."""
        begin, _, end = self.quiet_hours.partition("-")
        return (time.fromisoformat(begin), time.fromisoformat(end)) if end else None

    @property
    def told(self) -> frozenset[Event]:
        """Returns the events of which any target is told."""
        return frozenset(event for target in self.targets.values() for event in target.events)


def fields_of(text: str, event: str) -> list[str]:
    """Returns the names in braces of a template. Raises ValueError for anything but plain names in braces."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"expected pairs of braces in the template of {event}") from error
    if any(form or change for _, _, form, change in parts):
        raise ValueError(f"expected plain names in the braces of the template of {event}")
    return [name for _, name, _, _ in parts if name is not None]
