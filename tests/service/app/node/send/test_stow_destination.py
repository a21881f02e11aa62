"""Delivery by STOW-RS: to Orthanc's DICOMweb plugin, to the node's own endpoint, and to faulty servers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.node.peers.destination import Outgoing
from app.node.send.dicomweb_destination import echo, store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.elements.instance_identity import read_outgoing
from operators.errors import OsteonError, OutputError, TransientError
from tests.service.app.node.receive.test_stow import served
from tests.support.dicom import phantoms
from tests.support.node.node_processes import DICOM_WEB, Orthanc, free_port

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
SETTINGS = NodeSettings(network_s=1)


def web(port: int, path: str = "/dicom-web") -> Peer:
    return Peer(name="web", ae_title="PACS", stow=f"http://127.0.0.1:{port}{path}", receives=True)


@pytest.fixture
def files(tmp_path: Path) -> list[Outgoing]:
    paths = phantoms.write_ct(tmp_path / "ct", HU, AFFINE, keep=[0, 1])
    return [Outgoing(path, *read_outgoing(path)) for path in paths]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    orthanc = Orthanc(tmp_path / "pacs").start(Plugins=[DICOM_WEB])
    yield orthanc
    orthanc.stop()


def test_orthanc_gets_every_file_and_twice_is_once(files: list[Outgoing], pacs: Orthanc) -> None:
    peer = web(pacs.http_port)
    echo(peer, SETTINGS)
    store(files, peer, SETTINGS)
    store(files, peer, SETTINGS)
    tags = [pacs.get(f"instances/{name}/simplified-tags") for name in pacs.get("instances")]
    assert sorted(each["SOPInstanceUID"] for each in tags) == sorted(file.sop_instance_uid for file in files)


def test_our_own_way_in_takes_what_goes_out(files: list[Outgoing], tmp_path: Path) -> None:
    with served(tmp_path / "data") as other:
        store(files, web(other.port, ""), SETTINGS)
        assert [path.stem for path in other.stored()] == sorted(file.sop_instance_uid for file in files)
    with served(tmp_path / "full", minimum_free_mb=10**9) as other:
        assert failure(files, web(other.port, "")) == (TransientError, "http_503")


@contextmanager
def answering(status: int, body: Any = None) -> Iterator[Peer]:
    """A server that answers whatever it is asked with one status."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield web(server.server_address[1])
    finally:
        server.shutdown()


def failure(files: list[Outgoing], peer: Peer) -> tuple[type[OsteonError], str]:
    try:
        got: OsteonError = store(files, peer, SETTINGS)[0].error
    except OsteonError as error:
        got = error
    assert peer.stow not in str(got)
    return type(got), got.code


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(files: list[Outgoing], status: int) -> None:
    with answering(status) as peer:
        assert failure(files, peer) == (TransientError, f"http_{status}")
        with pytest.raises(TransientError):
            echo(peer, SETTINGS)


@pytest.mark.parametrize("status", [301, 400, 409, 413, 415])
def test_what_never_will_ends_at_once(files: list[Outgoing], status: int) -> None:
    with answering(status, {}) as peer:
        assert failure(files, peer) == (OutputError, "peer_refused")


def refused(reason: int, sequence: str = "00081198") -> dict[str, Any]:
    return {sequence: {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}


@pytest.mark.parametrize("status", [202, 409])
@pytest.mark.parametrize(
    ("reason", "kind"), [(0xA700, TransientError), (0x0110, TransientError), (0xC000, OutputError)]
)
def test_the_reason_of_each_instance_counts(
    files: list[Outgoing], status: int, reason: int, kind: type[OsteonError]
) -> None:
    for sequence in ("00081198", "0008119A"):
        with answering(status, refused(reason, sequence)) as peer:
            assert failure(files, peer)[0] is kind


def test_only_the_instance_that_is_named_counts_as_refused(files: list[Outgoing]) -> None:
    answer = refused(0x0122)
    answer["00081198"]["Value"][0]["00081155"] = {"vr": "UI", "Value": [files[1].sop_instance_uid]}
    with answering(202, answer) as peer:
        assert [each.file for each in store(files, peer, SETTINGS)] == [files[1]]


def test_a_duplicate_is_stored_already_and_an_answer_that_says_nothing_is_no_success(
    files: list[Outgoing],
) -> None:
    with answering(409, refused(0x0111)) as peer:
        assert store(files, peer, SETTINGS) == []
    with answering(202, ["nothing"]) as peer:
        assert failure(files, peer) == (OutputError, "peer_refused")


def test_one_that_is_down_or_never_answers_is_given_up_in_time(files: list[Outgoing]) -> None:
    assert failure(files, web(free_port())) == (TransientError, "unreachable")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert failure(files, web(silent.getsockname()[1])) == (TransientError, "no_answer")


@pytest.mark.parametrize("wrong", ["ftp://host/x", "host/dicom-web", "http://host/ x", "http://host/"])
def test_an_address_that_is_none_is_no_valid_setting(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Peer(name="web", ae_title="PACS", stow=wrong, receives=True)


def test_one_that_is_asked_to_commit_needs_a_host() -> None:
    with pytest.raises(ValidationError, match="storage commitment is requested"):
        Peer(name="web", ae_title="PACS", stow="http://host/x", receives=True, commitment=True)
