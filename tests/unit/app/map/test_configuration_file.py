"""app.yaml: its schema, and the messages of `osteon config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from app.map.configuration import SCHEMA, faults, schema
from app.settings import ROOT
from operators.errors import UsageError
from tests.support.packages.model_cases import ran

SHIPPED = (ROOT / "app.yaml").read_text(encoding="utf-8")


def test_the_schema_beside_app_yaml_is_current() -> None:
    """Make it so with `osteon config schema --write`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


def test_the_schema_takes_the_shipped_file_and_describes_every_setting() -> None:
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(yaml.safe_load(SHIPPED))
    for part in schema()["$defs"].values():
        assert all("description" in entry for entry in part["properties"].values())


def test_editors_find_the_schema_in_the_first_line() -> None:
    assert SHIPPED.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA.name}"


WRONG = {
    "osteon: {threads: many, colour: red}": ("osteon.threads", "osteon.colour"),
    "osteon: {node: {port: 70000}}": ("osteon.node.port",),
    "osteon: {node: {peers: [{name: pacs, ae_title: PACS, receives: true}]}}": ("osteon.node.peers.0",),
    "application: {title: A}\nosteon: {}": (
        "application.version", "application.inputFormats", "application.outputFormats",
    ),
    "resources: {memory: much}\nosteon: {}": ("resources.memory",),
    "nothing: here": ("osteon", "nothing"),
    "[1]": ("file",),
}  # fmt: skip


@pytest.mark.parametrize("content", WRONG)
def test_every_fault_is_named_with_its_place(tmp_path: Path, content: str) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(content, encoding="utf-8")
    found = [fault.split(":")[0] for fault in faults(path)]
    assert found == list(WRONG[content])


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("osteon: [", encoding="utf-8")
    for path in (tmp_path / "app.yaml", tmp_path / "none.yaml"):
        with pytest.raises(UsageError, match="expected a configuration file at"):
            faults(path)


def test_the_command_ends_with_2_where_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "config", "check")[0] == 0
    (tmp_path / "app.yaml").write_text("osteon: {threads: -1}", encoding="utf-8")
    code, said = ran(capsys, "config", "check", tmp_path / "app.yaml")
    head, fault = said.splitlines()
    assert (code, head) == (2, f"{tmp_path / 'app.yaml'}: 1 fault")
    assert fault.startswith("  osteon.threads: ")
    assert fault.endswith("got -1 (line 1)")
