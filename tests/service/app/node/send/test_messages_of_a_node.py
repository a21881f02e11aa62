"""A running node tells of an urgent study and of a peer that is down, across kill -9, and keeps working."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.app.node.send.test_notices import Hook
from tests.support.dicom import phantoms
from tests.support.node.node_processes import Served, free_port, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
KILLS = 2
HU = phantoms.position_volume((16, 16, 4), AFFINE)


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_node_tells_of_what_happens_while_its_messages_are_killed(hook: Hook, tmp_path: Path) -> None:
    (tmp_path / "watch").mkdir()
    url = f"json://127.0.0.1:{hook.server_port}/s3cret"
    down = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": free_port(), "receives": True}
    messages = {"targets": {"desk": {"url": url}}, "echo_s": 0.5}
    node = Served(
        tmp_path,
        (down,),
        watch=str(tmp_path / "watch"),
        watch_settled_s=0.1,
        messages=messages,
        roles=("receive", "send"),
        rules=({"modality": "CT", "urgency": "urgent"},),
    )
    hook.statuses = [503] * 2
    node.start()
    try:
        os.kill(node.part("messages"), signal.SIGKILL)
        phantoms.write_ct(tmp_path / "watch", HU, AFFINE)
        until(lambda: {"peer", "urgent"} <= {kind(body["title"]) for body in hook.bodies}, 120)
        os.kill(node.part("messages"), signal.SIGKILL)
        until(node.is_well, 120)
        until(lambda: 'osteon_messages_waiting{target="desk"} 0.0' in node.metrics(), 120)
        assert 'osteon_messages_total{state="delivered",target="desk"}' in node.metrics()
    finally:
        node.end()
    titles = [body["title"] for body in hook.bodies]
    assert {kind(title) for title in titles} == {"peer", "urgent"}
    assert len(titles) <= 2 + KILLS  # one that was taken just before a kill may come twice
    assert "s3cret" not in node.log()


def kind(title: str) -> str:
    return "urgent" if "urgent" in title else "peer" if "does not answer" in title else title
