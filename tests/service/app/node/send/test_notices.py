"""Notices over HTTP: each event once, without patient data, retried until it is accepted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS

from app.node.queue.abandoned import Running
from app.node.queue.database import executor_configuration
from app.node.queue.workflow import NOTICE, NOTICE_PATIENCE_S, define_repeating
from app.node.send.notices import EVENTS, NOTICES_QUEUE, post
from app.node.send.sender import notify
from app.node.settings.configuration import NodeSettings
from app.node.studies.retention import forget, sweep
from operators.errors import OutputError, TransientError, UsageError
from tests.service.app.node.queue.test_corrections import RIGHT, brighter
from tests.service.app.node.queue.test_queue import CENTURY_MS
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import ScriptedSegmenter, worked_off
from tests.support.node.study_cases import jobs, quiet, sent


class Hook(ThreadingHTTPServer):
    """Takes notices, after it has answered with each of `statuses`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/hook?token=secret"


class Handler(BaseHTTPRequestHandler):
    """One notice."""

    server: Hook

    def do_POST(self) -> None:
        """Answers with more than anybody should read."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"x" * 1_000_000)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def worked_off_notices(settings: NodeSettings) -> None:
    """As the sender does."""
    DBOS(config=executor_configuration(settings, "test"))
    send = partial(notify, settings=settings)
    define_repeating(NOTICE, "notify", NOTICE_PATIENCE_S, send, Running(), settings.data)
    DBOS.listen_queues([NOTICES_QUEUE])
    DBOS.launch()
    DBOS.register_queue(NOTICES_QUEUE, worker_concurrency=1, polling_interval_sec=0.04)


def test_each_event_is_told_once_and_names_no_patient(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.queue.pauses.FIRST_PAUSE_S", 0.05)
    hook.statuses = [503, 429]
    node = Node(tmp_path, quiet_s=30, notice_url=hook.url)
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    quiet(node, 100)
    sent(node, brighter, keep=[0])
    quiet(node, 200)
    with worked_off(
        node.settings, ScriptedSegmenter(lambda: {"state": "failed", "code": "defect", "sentence": "no"})
    ):
        until(lambda: any(job.state == "failed" for job in jobs(node)))
    for _ in range(3):
        sweep(node.settings, node.client, 0)
    worked_off_notices(node.settings)
    try:
        until(lambda: len(hook.bodies) == 3)
        until(lambda: len(node.client.list_workflows(name=NOTICE, status="SUCCESS")) == 3)
    finally:
        DBOS.destroy(destroy_registry=True)
    assert sorted(body["event"] for body in hook.bodies) == ["conflict", "correction", "failed"]
    assert {body["study_instance_uid"] for body in hook.bodies} == {STUDY}
    assert all(
        set(body) == {"event", "job_id", "study_instance_uid", "state", "code", "sentence"}
        for body in hook.bodies
    )
    assert not [word for word in ("RIGHT", "Right", "PHANTOM", "Phantom") if word in str(hook.bodies)]
    assert {body["event"] for body in hook.bodies} < set(EVENTS)
    sweep(node.settings, node.client, CENTURY_MS)
    assert len(node.client.list_workflows(name=NOTICE)) == 3  # as long as the study: it failed
    with suppress(UsageError):
        forget(node.settings, node.client, jobs(node)[0].job_id)
    assert node.client.list_workflows(name=NOTICE) == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_passes_is_tried_again(hook: Hook, tmp_path: Path, status: int) -> None:
    hook.statuses = [status]
    with pytest.raises(TransientError) as caught:
        post({"job_id": "1-a"}, NodeSettings(data=tmp_path, notice_url=hook.url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_what_stays_ends_it(hook: Hook, tmp_path: Path, status: int) -> None:
    hook.statuses = [status]
    with pytest.raises(OutputError, match=str(status)):
        post({"job_id": "1-a"}, NodeSettings(data=tmp_path, notice_url=hook.url))


def test_nobody_there_passes_and_an_address_that_is_gone_does_not(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="expected notice_url to answer"):
        post({"job_id": "1-a"}, NodeSettings(data=tmp_path, notice_url="http://127.0.0.1:1/x"))
    with pytest.raises(OutputError, match="it was removed"):
        post({"job_id": "1-a"}, NodeSettings(data=tmp_path))


def test_only_http_is_an_address() -> None:
    with pytest.raises(ValueError, match="notice_url"):
        NodeSettings(notice_url="file:///etc/passwd")
