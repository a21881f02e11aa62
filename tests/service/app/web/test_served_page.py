"""The page as a part of a whole node: it starts with it, is restarted, stops with it, and speaks TLS."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest
from pydantic import ValidationError

from app.node.settings.web import WebSettings
from app.web.server import Certificates, server_of
from tests.support.node.node_cases import system_tool
from tests.support.node.node_processes import Served, fetched, free_port, until
from tests.support.node.page_site import made_site, node_with_peers, served

CT1 = {"name": "ct1", "ae_title": "CT1"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path, (CT1,), web={"port": free_port(), "echo_s": 0})
    yield made
    made.end()


def logged(node: Served, event: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in node.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def pid_of(node: Served, name: str) -> int:
    """The process with this name."""
    assert node.process is not None
    children = psutil.Process(node.process.pid).children()
    return next(each.pid for each in children if Path(f"/proc/{each.pid}/comm").read_text().strip() == name)


def test_a_node_serves_its_page_restarts_it_and_ends_it(node: Served) -> None:
    assert node.node.web is not None
    address = f"http://127.0.0.1:{node.node.web.port}/"
    node.start()
    text = fetched(address)
    assert "No study" in text
    until(lambda: "all parts work" in fetched(address))
    os.kill(pid_of(node, "web"), signal.SIGKILL)
    until(lambda: [line["name"] for line in logged(node, "part_ended")] == ["web"])
    until(node.is_well)
    assert "No study" in fetched(address)
    node.end()
    assert fetched(address) is None


def test_a_page_for_others_without_accounts_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    web = {"port": free_port(), "host": "0.0.0.0", "proxies": ["127.0.0.1"]}
    node = Served(tmp_path, (CT1,), web=web).start(wait=False)
    assert node.process is not None
    assert node.process.wait(60) == 2
    assert "expected accounts or openid for a page on 0.0.0.0" in node.log()


def test_passwords_never_cross_a_network_in_clear() -> None:
    for values in ({"host": "0.0.0.0"}, {"host": "pacs.example"}, {"certificate": "a"}):
        with pytest.raises(ValidationError, match="expected certificate and key"):
            WebSettings.model_validate(values)
    assert WebSettings.model_validate({"host": "::1"}).is_local


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    files = folder / f"{name}.crt", folder / f"{name}.key"
    command = (
        f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [system_tool("openssl"), *command.split(), "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


def test_https_takes_new_certificates_without_a_restart(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    used = tmp_path / "used.crt", tmp_path / "used.key"

    def use(files: tuple[Path, Path], at_s: float) -> None:
        for source, target in zip(files, used, strict=True):
            target.write_bytes(source.read_bytes())
            os.utime(target, (at_s, at_s))

    use(first, 1000.0)
    site = made_site(node_with_peers(tmp_path / "node"), certificate=used[0], key=used[1])
    server = server_of(site)
    certificates = Certificates(site.web, server)
    with served(site, server) as url:
        headers = asked(url, first[0])
        assert "Secure" in headers["Set-Cookie"]
        assert headers["Strict-Transport-Security"]
        use((first[0], second[1]), 2000.0)
        with pytest.raises(ssl.SSLError):
            certificates.look()
        assert asked(url, first[0])
        use(second, 3000.0)
        certificates.look()
        assert asked(url, second[0])
        with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            asked(url, first[0])


def asked(url: str, trusted: Path) -> Message:
    """The headers of an answer from a server with this certificate."""
    with urlopen(url, context=ssl.create_default_context(cafile=str(trusted))) as answer:
        headers: Message = answer.headers
    return headers
