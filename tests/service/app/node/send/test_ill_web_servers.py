"""A faulty STOW-RS server costs one attempt, bounded in time and memory, whatever it answers."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.node.peers.destination import Outgoing
from app.node.send.dicomweb_destination import echo, store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.errors import OutputError, TransientError
from tests.support.faults.ill_servers import Talk, ill_server
from tests.support.faults.slow_link import large_file
from tests.support.node.node_processes import until

SETTINGS = NodeSettings(network_s=0.5)
PATIENT = NodeSettings(network_s=20)
OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 0\r\n\r\n"
BLOCK = bytes(1 << 16)
# What an attempt may take of one that speaks without end; the rest is in the buffers of the sockets
MOST_BYTES = 16 << 20


@pytest.fixture
def file(tmp_path: Path) -> Outgoing:
    return large_file(tmp_path / "small.dcm", 0.01)


@pytest.fixture
def large(tmp_path: Path) -> Outgoing:
    """More than the buffers of two sockets."""
    return large_file(tmp_path / "large.dcm", 40)


def web(port: int, path: str = "/dicom-web") -> Peer:
    return Peer(name="web", ae_title="PACS", stow=f"http://127.0.0.1:{port}{path}", receives=True)


def take_request(talk: Talk) -> None:
    """With its body."""
    headers = talk.hear_until(b"\r\n\r\n").lower()
    _, _, rest = headers.partition(b"content-length: ")
    if rest:
        talk.hear(int(rest.split(b"\r\n")[0]))


def after_request(*said: bytes, for_ever: bool = False) -> Callable[[Talk], None]:
    """Sends bytes instead of a response, once or endlessly."""

    def meet(talk: Talk) -> None:
        take_request(talk)
        talk.say(*said)
        while for_ever:
            talk.say(said[-1])
        talk.hear_until_gone()

    return meet


def dripping(*said: bytes, then: bytes) -> Callable[[Talk], None]:
    """Sends a response, then single bytes endlessly."""

    def meet(talk: Talk) -> None:
        take_request(talk)
        talk.say(*said)
        talk.drip(itertools.cycle(then))

    return meet


def resets(talk: Talk) -> None:
    talk.hear(1000)
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half(talk: Talk) -> None:
    take_request(talk)
    talk.say(OK + b"Content-Length: 9\r\n\r\nx")


ILL: dict[str, Callable[[Talk], object]] = {
    "silent": lambda talk: talk.hear_until_gone(),
    "headers byte by byte": dripping(then=OK + b"X: " + b"x" * 90_000),
    "a body byte by byte": dripping(OK, b"Content-Length: 900000\r\n\r\n", then=b"x"),
    "chunks byte by byte": dripping(OK, b"Transfer-Encoding: chunked\r\n\r\n", then=b"1\r\nx\r\n"),
    "headers without end": after_request(OK, b"X: " + bytes(b"x" * 1000) + b"\r\n", for_ever=True),
    "one header without end": after_request(OK + b"X: ", b"x" * 9999, for_ever=True),
    "a body without end": after_request(OK, b"Content-Length: 90000000000\r\n\r\n", BLOCK, for_ever=True),
    "a body until it hangs up": after_request(OK + b"\r\n", BLOCK, for_ever=True),
    "chunks without end": after_request(
        OK, b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + BLOCK + b"\r\n", for_ever=True
    ),
    "interim answers without end": after_request(b"HTTP/1.1 100 Continue\r\n\r\n", for_ever=True),
    "no HTTP": after_request(b"220 mail.example ESMTP\r\n" * 9),
    "hangs up": lambda talk: talk.hear(1000),
    "resets": resets,
    "half an answer": half,
}  # fmt: skip


@pytest.mark.parametrize("meet", ILL.values(), ids=ILL.keys())
def test_an_attempt_ends_and_can_be_repeated(file: Outgoing, meet: Callable[[Talk], None]) -> None:
    with ill_server(meet) as server:
        with pytest.raises(TransientError) as raised:
            store([file], web(server.port), SETTINGS)
        with pytest.raises(TransientError):
            echo(web(server.port), SETTINGS)
        assert raised.value.code in ("no_answer", "unreachable")
        assert server.said_bytes < MOST_BYTES


def test_an_answer_that_comes_before_all_is_sent_ends_the_upload(large: Outgoing) -> None:
    def meet(talk: Talk) -> None:
        talk.hear_until(b"\r\n\r\n")
        talk.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Content Too Large\r\n", END)
        ended.wait()

    ended = threading.Event()
    with ill_server(meet) as server:
        (refused,) = store([large], web(server.port), PATIENT)
        ended.set()
    assert (type(refused.error), refused.error.code) == (OutputError, "peer_refused")
    assert "413" in str(refused.error)


def test_an_interim_answer_is_none(large: Outgoing) -> None:
    def meet(talk: Talk) -> None:
        talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        take_request(talk)
        talk.say(b"HTTP/1.1 102 Processing\r\n\r\n", OK, END)

    with ill_server(meet) as server:
        assert store([large], web(server.port), PATIENT) == []


def answering(status: int, content: bytes, encoding: str = "gzip") -> Callable[[Talk], None]:
    head = f"HTTP/1.1 {status} X\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(content)}\r\n\r\n"
    return after_request(head.encode(), content)


def test_a_compressed_answer_is_read_though_none_was_asked_for(file: Outgoing) -> None:
    failed = {"00081198": {"Value": [{"00081197": {"Value": [0xA700]}}]}}
    packed = gzip.compress(json.dumps(failed).encode())
    with ill_server(answering(202, packed)) as server, pytest.raises(TransientError, match="0xA700"):
        store([file], web(server.port), SETTINGS)


def test_one_that_inflates_to_much_more_is_not(file: Outgoing) -> None:
    bomb = gzip.compress(bytes(100 << 20), 9)
    with ill_server(answering(202, bomb)) as server:
        (refused,) = store([file], web(server.port), SETTINGS)
    assert refused.error.code == "peer_refused"
    with ill_server(answering(202, b"{}", "br")) as server:
        assert store([file], web(server.port), SETTINGS)[0].error.code == "peer_refused"


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"00081198": ', b"{}", b'"x"', b'{"00081198": {"Value": 5}}', b"\xff\xfe"]
)
def test_an_answer_that_is_no_response_is_no_success(file: Outgoing, body: bytes) -> None:
    with ill_server(answering(409, body, "identity")) as server:
        assert store([file], web(server.port), SETTINGS)[0].error.code == "peer_refused"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_said(file: Outgoing, status: int) -> None:
    with ill_server(after_request(OK, END)) as other:
        location = f"Location: http://127.0.0.1:{other.port}/x\r\n".encode()
        head = f"HTTP/1.1 {status} X\r\n".encode()
        with ill_server(after_request(head, location, END)) as server:
            (refused,) = store([file], web(server.port), SETTINGS)
        assert other.talks == []
    assert str(refused.error).endswith(f"got HTTP status {status}, a redirect, which is not followed")


def test_user_and_password_go_to_the_server_as_they_are_written() -> None:
    heard: list[bytes] = []

    def meet(talk: Talk) -> None:
        heard.append(talk.hear_until(b"\r\n\r\n"))
        talk.say(OK, END)

    with ill_server(meet) as server:
        address = f"http://us%40er:p%2Fw%C3%A9@127.0.0.1:{server.port}/x"
        echo(Peer(name="web", ae_title="PACS", stow=address, receives=True), SETTINGS)
    # base64 of us@er:p/wé
    assert b"Authorization: Basic dXNAZXI6cC93w6k=\r\n" in heard[0]
    assert heard[0].startswith(b"GET /x/studies?StudyInstanceUID=2.25.0 HTTP/1.1\r\n")


def test_no_thread_and_no_connection_is_left(file: Outgoing) -> None:
    gone: list[bool] = []

    def meet(talk: Talk) -> None:
        take_request(talk)
        talk.say(OK, END)
        talk.hear_until_gone()
        gone.append(True)

    with ill_server(meet) as server:
        assert store([file], web(server.port), PATIENT) == []
        until(lambda: gone, 10)
