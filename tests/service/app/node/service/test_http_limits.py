"""The HTTP port stays within bounds under silent, slow and cross-origin connections."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import uvicorn
from fastapi import FastAPI, Request

from app.node.receive import dicomweb as stow
from app.node.service.http_limits import HEAD_BYTES, bounded
from app.node.service.web import server_of
from app.node.settings.configuration import NodeSettings
from tests.service.app.node.receive.test_stow import AFFINE, HU, body, contents, named, served
from tests.support.dicom import phantoms
from tests.support.node.node_cases import node_settings, storescu
from tests.support.node.node_processes import Served, fetched, free_port, until

SILENT, SLOW_HEADS, SLOW_BODIES = 600, 60, 40
KIND = 'multipart/related; type="application/dicom"; boundary=edge'
LIMIT = 8


@contextmanager
def running(app: FastAPI, settings: NodeSettings, **limits_s: float) -> Iterator[int]:
    """A server with its limits; `limits_s` shortens them."""
    port = free_port()
    server = server_of(app, settings)
    server.config.host, server.config.port = "127.0.0.1", port
    server.config.http = bounded(settings.http_connections, **limits_s)
    with serving(server):
        yield port


@contextmanager
def serving(server: uvicorn.Server) -> Iterator[None]:
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, 20)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def small(tmp_path: Path, **given: Any) -> NodeSettings:
    return node_settings(tmp_path / "data", http_connections=LIMIT, **given)


def echo() -> FastAPI:
    """Tells whom it takes the asker for, when all of the body has come."""
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST", "PUT", "DELETE"])
    async def root(request: Request) -> dict[str, str]:
        await request.body()
        return {"client": request.client.host if request.client else ""}

    return app


def connect(port: int, say: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(say)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has ended it."""
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def drip(connection: socket.socket, content: bytes) -> bool:
    """Sends a few more bytes; returns whether the peer is still connected."""
    try:
        connection.sendall(content)
    except OSError:
        return False
    return not is_closed(connection)


def head(length: int, path: str = "/", kind: str = KIND) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode()


def test_silent_connections_make_room_for_new_ones_the_oldest_first(tmp_path: Path) -> None:
    with running(echo(), small(tmp_path)) as port, ExitStack() as stack:
        silent = [stack.enter_context(connect(port)) for _ in range(3 * LIMIT)]
        until(lambda: sum(map(is_closed, silent)) >= 2 * LIMIT, 20)
        assert httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200
        assert not is_closed(silent[-1])


def test_a_request_that_is_answered_gives_its_place_to_nobody(tmp_path: Path) -> None:
    with running(echo(), small(tmp_path)) as port, ExitStack() as stack:
        busy = [stack.enter_context(connect(port, head(1000) + b"x")) for _ in range(LIMIT)]
        until(lambda: not any(map(is_closed, busy)), 20)
        assert is_closed_soon(stack.enter_context(connect(port)))
        assert not any(map(is_closed, busy))
        busy[0].sendall(bytes(999))
        assert busy[0].recv(12) == b"HTTP/1.1 200"


def is_closed_soon(connection: socket.socket) -> bool:
    return bool(until(lambda: is_closed(connection), 30))


@pytest.mark.parametrize(
    ("say", "more"),
    [(b"", b""), (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"), (head(10**9), b"x")],
    ids=["nothing", "slow head", "slow body"],
)
def test_what_does_not_come_in_time_is_not_waited_for(tmp_path: Path, say: bytes, more: bytes) -> None:
    with running(echo(), small(tmp_path), head_s=2.0, body_s=2.0) as port, connect(port, say) as connection:
        until(lambda: not drip(connection, more), 30)


def test_a_body_that_comes_fast_enough_may_take_its_time(tmp_path: Path) -> None:
    length = 6 * (64 << 10)
    with running(echo(), small(tmp_path), body_s=4.0) as port, connect(port, head(length)) as connection:
        for _ in range(6):
            assert not is_closed(connection)
            threading.Event().wait(0.9)
            connection.sendall(bytes(64 << 10))
        connection.settimeout(30)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    with running(echo(), small(tmp_path)) as port:
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 4 * HEAD_BYTES
        with connect(port, request) as connection:
            assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_forwarded_address_is_believed_from_named_proxies_only(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7"}
    for proxies, seen in (((), "127.0.0.1"), (("10.0.0.9",), "127.0.0.1"), (("127.0.0.1",), "192.0.2.7")):
        with running(echo(), small(tmp_path, http_proxies=proxies)) as port:
            answer = httpx2.post(f"http://127.0.0.1:{port}/", headers=headers)
        assert answer.json() == {"client": seen}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:9112", 200), ("127.0.0.1:9112", 200), ("[::1]:9112", 200),
        ("192.0.2.1", 200), ("osteon.hospital", 200), ("osteon.hospital.", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421),
        ("osteon.hospital@evil.example", 421), ("", 421), ("[", 421),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host_is_refused(web: int, host: str, status: int, method: str) -> None:
    answer = httpx2.request(method, f"http://127.0.0.1:{web}/", headers={"Host": host})
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "file://", "http://["]
)
def test_changes_that_another_page_asks_for_are_refused(web: int, origin: str, method: str) -> None:
    address = f"http://127.0.0.1:{web}/"
    assert httpx2.request(method, address, headers={"Origin": origin}).status_code == 403
    assert httpx2.request(method, f"{address}nothing", headers={"Origin": origin}).status_code == 403
    assert httpx2.get(address, headers={"Origin": origin}).status_code == 200
    own = {"Origin": f"http://127.0.0.1:{web}"}
    assert httpx2.request(method, address, headers=own).status_code in (200, 405)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = node_settings(tmp_path_factory.mktemp("web"), http_names=("osteon.hospital",))
    with running(echo(), settings) as port:
        yield port


def test_one_request_brings_so_many_instances_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stow, "MOST_PARTS", 3)
    with served(tmp_path / "data") as server:
        assert server.post(body(*[b"x"] * 3)).status_code == 409
        assert server.post(body(*[b"x"] * 4)).status_code == 413
        assert server.inbox.unfinished() == []


def test_a_body_for_which_there_is_no_room_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stow, "MOST_REFUSED_BYTES", 1 << 20)
    with served(tmp_path / "data", minimum_free_mb=10**9) as server:
        assert server.post(body(bytes(4 << 20))).status_code == 413
        assert server.inbox.unfinished() == []


def test_what_follows_the_last_instance_is_not_read(tmp_path: Path) -> None:
    files = contents(tmp_path)
    with served(tmp_path / "data") as server, connect(server.port) as connection:
        whole = body(*files)
        connection.sendall(head(len(whole) + 10**12, "/studies") + whole)
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert len(server.stored()) == 3


def test_so_many_requests_are_received_at_once_and_the_others_come_again(tmp_path: Path) -> None:
    files = contents(tmp_path)
    with served(tmp_path / "data") as server, ExitStack() as stack:
        for _ in range(stow.AT_ONCE):
            stack.enter_context(connect(server.port, head(1000, "/studies") + b"--edge\r\n"))
        again = until(lambda: (a := server.post(body(*files))).status_code == 503 and a, 30)
        assert int(again.headers["Retry-After"]) > 0
        stack.close()
        until(lambda: server.post(body(*files)).status_code == 200, 30)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Served]:
    peers = ({"name": "ct1", "ae_title": "CT1"},)
    running_node = Served(tmp_path, peers, stow=True, roles=("receive",))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield running_node.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    running_node.end()


def test_a_node_under_hundreds_of_connections_answers_and_receives(node: Served, tmp_path: Path) -> None:
    assert node.process is not None
    supervisor, port = psutil.Process(node.process.pid), node.node.http_port
    files, memory = supervisor.num_fds(), supervisor.memory_info().rss
    with ExitStack() as stack:
        begun = head(10**9, "/studies") + b"--edge\r\n"
        bodies = [stack.enter_context(connect(port, begun)) for _ in range(SLOW_BODIES)]
        heads = [stack.enter_context(connect(port, b"GET /health HTTP/1.1\r\n")) for _ in range(SLOW_HEADS)]
        silent = [stack.enter_context(connect(port)) for _ in range(SILENT)]
        for connection in (*bodies, *heads):
            drip(connection, b"X")
        for _ in range(20):
            assert fetched(f"http://127.0.0.1:{port}/health")["status"] == "well"
        phantoms.write_ct(tmp_path / "1", HU, AFFINE)
        assert storescu(node.port, "+sd", tmp_path / "1")[0] == 0
        more = supervisor.num_fds() - files
        grown_mb = (supervisor.memory_info().rss - memory) / 1e6
        print(f"supervisor under {SILENT + SLOW_HEADS + SLOW_BODIES}: +{more} files, +{grown_mb:.1f} MB")
        assert more <= node.node.http_connections + 16
        assert grown_mb < 40
        assert sum(map(is_closed, silent)) >= SILENT - node.node.http_connections
    until(lambda: supervisor.num_fds() <= files + 2, 30)
    content = contents(tmp_path / "stow")
    answer = until(lambda: (a := post(port, body(*content))).status_code == 200 and a, 30)
    assert len(named(answer, "00081199")) == 3


def post(port: int, content: bytes) -> httpx2.Response:
    return httpx2.post(
        f"http://127.0.0.1:{port}/studies", content=content, headers={"Content-Type": KIND}, timeout=30
    )
