"""Settings of messages: one address a target, plain fields in templates, patients only if a site wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.node.settings.messages import FIELDS, PATIENT_FIELDS, MessageSettings, MessageTarget
from app.node.settings.redaction import revealed
from app.settings import read_settings

URL = "mailtos://me:s3cret@mail.example?to=a@b.example"


def settings(**changes: Any) -> MessageSettings:
    return MessageSettings.model_validate({"targets": {"mail": {"url": URL}}} | changes)


def test_a_password_in_an_address_is_never_shown() -> None:
    for url in (URL, "slack://s3cret/s3cret", "json://host/s3cret?token=s3cret"):
        made = settings(targets={"mail": {"url": url}})
        assert "s3cret" not in f"{made} {made!r} {made.targets['mail'].url}"
        assert url in made.model_dump_json()
    assert str(settings().targets["mail"].url) == "mailtos://***"


def test_a_wrong_setting_does_not_quote_the_address() -> None:
    for wrong in ({"url": "s3cret"}, {"url": URL, "url_file": "/x"}, {}, {"url": URL, "events": ["s3cret"]}):
        with pytest.raises(ValidationError) as caught:
            MessageTarget.model_validate(wrong)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", FIELDS)
def test_a_template_may_name_each_field(name: str) -> None:
    assert settings(templates={"failed": f"x {{{name}}} {{{{y}}}}"}).templates["failed"]


@pytest.mark.parametrize("name", PATIENT_FIELDS)
def test_a_template_may_name_the_patient_only_if_the_site_wants_it(name: str) -> None:
    with pytest.raises(ValidationError, match="patient: true"):
        settings(templates={"positive": f"{{{name}}}"})
    assert settings(templates={"positive": f"{{{name}}}"}, patient=True)


@pytest.mark.parametrize(
    "text", ["{0}", "{}", "{what.x}", "{what[0]}", "{what!r}", "{what:>9}", "{", "{other}"]
)
def test_anything_but_plain_known_names_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        settings(templates={"failed": text})


@pytest.mark.parametrize("hours", ["22:00-07:00", "00:00-23:59", ""])
def test_quiet_hours_are_two_times(hours: str) -> None:
    assert (settings(quiet_hours=hours).quiet is None) == (hours == "")


@pytest.mark.parametrize("hours", ["22-7", "24:00-07:00", "22:00", "22:60-23:00", "night"])
def test_other_quiet_hours_are_refused(hours: str) -> None:
    with pytest.raises(ValidationError):
        settings(quiet_hours=hours)


def test_names_of_targets_are_names_of_folders() -> None:
    for name in ("../x", "", "A", "a/b", "x" * 33):
        with pytest.raises(ValidationError):
            settings(targets={name: {"url": URL}})
    assert settings(targets={"a-1": {"url": URL, "events": ["disk"]}}).told == {"disk"}


def test_an_address_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(
        "osteon: {node: {messages: {targets: {mail: {events: [failed]}}, quiet_hours: 22:00-07:00}}}",
        encoding="utf-8",
    )
    monkeypatch.setenv("OSTEON_NODE__MESSAGES__TARGETS__MAIL__URL", URL)
    messages = read_settings(path).node.messages
    assert messages is not None
    assert revealed(messages.targets["mail"].url) == URL
    assert messages.told == {"failed"}
