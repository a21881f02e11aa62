"""A password in an address appears nowhere: every output of the node is searched for one."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.map.configuration import faults
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.settings.redaction import SecretUrl, redacted, revealed
from app.node.watch.logs import configure_logs
from app.settings import Settings, read_settings
from operators.errors import UsageError
from tests.service.app.node.send.test_ill_web_servers import END, after_request
from tests.support.dicom import phantoms
from tests.support.faults.ill_servers import ill_server
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Served, free_port, until

SECRET = "Geh3im-Wort"
WEB = {"name": "web", "ae_title": "WEB", "stow": f"https://user:{SECRET}@localhost/x", "receives": True}
DATABASE = f"postgresql://user:{SECRET}@localhost:1/jobs"
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def node(**given: Any) -> dict[str, Any]:
    return {"peers": [WEB], "database": DATABASE} | given


# Each wrong in another way
WRONG: list[dict[str, Any]] = [
    node(peers=[WEB | {"stow": f"ftp://user:{SECRET}@host"}]),
    node(peers=[WEB | {"stow": f"user:{SECRET}@host"}]),
    node(peers=[WEB | {"stow": f"https://user:{SECRET}/@host/x"}]),
    node(peers=[WEB | {"stow": f"https://user:#{SECRET}@host/x"}]),
    node(peers=[WEB | {"stow": f"https://user:1{SECRET}@host:x/x"}]),
    node(peers=[WEB | {"stow": [f"https://user:{SECRET}@host"]}]),
    node(peers=[WEB | {"stowe": f"https://user:{SECRET}@host"}]),
    node(peers=[WEB | {"password": SECRET}]),
    node(peers=[WEB | {"tls": True}]),
    node(peers=[WEB, WEB]),
    node(peers=[WEB | {"commitment": True}]),
    node(peers=[WEB | {"port": f"https://user:{SECRET}@host"}]),
    node(peers=f"web=WEB@https://user:{SECRET}@host"),
    node(peers=[f"web=WEB@https://user:{SECRET}@host"]),
    node(port="x"),
    node(database=f"mysql://user:{SECRET}@host/x"),
    node(database=f"postgresql://user:{SECRET}/@host/x"),
    node(database=f"postgresql://user@host:{SECRET}/x"),
    node(databse=DATABASE),
    node(peers=[{"name": "x", "receives": True, "report": {"fhir": f"ftp://user:{SECRET}@host"}}]),
    node(web={"openid": {"client_secret": SECRET}}),
    node(web={"openid": {"client_secret": [SECRET]}}),
]


def test_settings_show_none_and_lose_none() -> None:
    settings = NodeSettings.model_validate(node())
    shown = [repr(settings), str(settings), repr(settings.peers), str(settings.peers[0].stow)]
    shown += [f"{settings.database} {settings.database!r} {settings.peers[0].stow:>40}"]
    shown += [str(Settings(node=settings))]
    assert not [text for text in shown if SECRET in text]
    saved = NodeSettings.model_validate(json.loads(json.dumps(settings.model_dump(mode="json"))))
    carried = pickle.loads(pickle.dumps(settings))
    for each in (settings, saved, carried, NodeSettings.model_validate(settings.model_dump())):
        assert isinstance(each.peers[0].stow, SecretUrl)
        assert (revealed(each.peers[0].stow), each.database_url) == (WEB["stow"], DATABASE)
        assert each == settings


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_a_wrong_setting_is_said_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as invalid:
        NodeSettings.model_validate(wrong)
    path = tmp_path / "app.yaml"
    path.write_text(json.dumps({"osteon": {"node": wrong}}))
    monkeypatch.setenv("HOLOSCAN_CONFIG_PATH", str(path))
    with pytest.raises(UsageError) as usage:
        read_settings()
    said = [str(invalid.value), repr(invalid.value), str(usage.value), *faults(path)]
    assert len(said) > 3
    assert not [text for text in said if SECRET in text]


@pytest.mark.parametrize(
    "content", ["osteon: {{node: {{database: {}", "osteon:\n  node:\n   database: {}: x", "osteon: [{}"]
)
def test_a_file_that_is_no_yaml_is_said_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(content.format(DATABASE))
    monkeypatch.setenv("HOLOSCAN_CONFIG_PATH", str(path))
    for read in (read_settings, lambda: faults(path)):
        with pytest.raises(UsageError) as usage:
            read()
        assert SECRET not in str(usage.value)


def osteon(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and output."""
    done = subprocess.run(
        [sys.executable, "-c", "from app.cli.commands import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["serve", "--peer", f"web=WEB@htp://user:{SECRET}@host"], 2),
        (["serve", "--peer", f"web=WEB@https://user:{SECRET}@host:x/"], 2),
        (["serve", f"--databse=postgresql://user:{SECRET}@host/x"], 2),
        (["jobs", "list", "--database", DATABASE], 6),
        (["jobs", "list", "--database", f"{DATABASE}?sslmode=nonsense"], 6),
        (["serve", "--database", DATABASE, "--port", "0", "--http-port", "0"], 6),
        (["send", "web", "", "--peer", f"web=WEB@http://user:{SECRET}@127.0.0.1:1/x"], 6),
    ],
)
def test_a_command_says_none(tmp_path: Path, arguments: list[str], code: int) -> None:
    if arguments[0] == "send":
        arguments[2] = str(phantoms.write_ct(tmp_path / "ct", HU, AFFINE, keep=[0])[0])
    got, said = osteon(*arguments, OSTEON_NODE__DATA=str(tmp_path / "data"))
    assert got == code, said
    assert said
    assert SECRET not in said


def test_check_says_none(tmp_path: Path) -> None:
    address = f"web=WEB@http://user:{SECRET}@127.0.0.1:1/x"
    arguments = ["--peer", address, "--database", DATABASE, "--models", str(tmp_path)]
    _, said = osteon("check", *arguments, OSTEON_NODE__DATA=str(tmp_path / "data"))
    assert "peer web: " in said
    assert "database: " in said
    assert SECRET not in said


def test_a_defect_says_none() -> None:
    """Whatever its own message is."""
    text = f"from app.cli.command_line import *; execute(lambda *_, **__: 1 / int('{DATABASE}'), [])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("builtins.ValueError\n")
    assert SECRET not in done.stderr


def test_a_log_says_none(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    configure_logs("test")
    structlog.get_logger().error("defect", traceback=f"Error: could not connect to {DATABASE!r}")
    said = capsys.readouterr().err
    assert "could not connect" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://u:p@h/x, and a@b", "at https://***@h/x, and a@b"),
        ("'postgresql://u:p@q@h/x'", "'postgresql://***@h/x'"),
        ("postgresql://h/x?user=u&password=p&b=c", "postgresql://h/x?user=u&password=***&b=c"),
        ("host=h password=p dbname=x", "host=h password=*** dbname=x"),
        ("https://h/x and http://i", "https://h/x and http://i"),
    ],
)
def test_a_text_is_shown_without(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_node_writes_none(tmp_path: Path) -> None:
    """Log, database, audit trail, metrics and the list of jobs, of a delivery that is refused."""
    with ill_server(after_request(b"HTTP/1.1 400 Bad Request\r\n", END)) as server:
        web = WEB | {"stow": f"http://user:{SECRET}@127.0.0.1:{server.port}/x"}
        down = WEB | {"name": "down", "stow": f"http://user:{SECRET}@127.0.0.1:{free_port()}/x"}
        served = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"}, web, down), delivery_limit_s=1.0)
        try:
            served.start()
            phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
            assert storescu(served.port, "+sd", tmp_path / "ct")[0] == 0
            (job,) = until(lambda: served.ended_jobs(1), 90)
            written = [served.metrics(), repr(job)]
        finally:
            served.end()
    assert job.state == "failed"
    files = [path for path in served.node.data.rglob("*") if path.is_file()]
    assert {"osteon.sqlite", "audit.xml"} <= {path.name for path in files}
    contents = [path.read_bytes() for path in files] + [text.encode() for text in (*written, served.log())]
    assert not [content for content in contents if SECRET.encode() in content]
    assert b"127.0.0.1" in b"".join(contents)


def test_a_peer_is_shown_by_its_name() -> None:
    assert "name='web'" in repr(Peer.model_validate(WEB))
