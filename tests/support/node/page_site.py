"""A node with studies, and its page, served in this process or asked without a network."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.testclient import TestClient

from app.node.accounts.accounts import Role
from app.node.settings.ports import http_socket
from app.node.settings.web import WebSettings
from app.node.watch.board import StatusBoard
from app.settings import Settings
from app.web.application import application
from app.web.server import server_of
from app.web.site import Site, make_site
from tests.service.app.node.queue.test_queue import RULES
from tests.service.app.node.studies.test_retention import AFFINE, HU, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import ScriptedSegmenter, worked_off
from tests.support.training.training_cases import ROOT

PASSWORD = "correct horse battery"
WELL = {
    "ill": [],
    "restarts": {"listener": 0, "sender": 0, "worker-0": 1},
    "loops": {"database": True, "disk": True, "dispatcher": True},
    "disk": {"free_mb": 41_000, "minimum_free_mb": 2000},
}
TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def made_site(here: Node, **web: Any) -> Site:
    """Returns the page of a node; `web` are its settings."""
    settings = Settings(node=here.settings, models=ROOT / "models")
    board = StatusBoard()
    board.write(WELL)
    return make_site(settings, WebSettings(**web), here.client, board)


def receive(here: Node, study: int, **attributes: str) -> str:
    """Queues a study of one image and returns its job's fingerprint."""
    edit = setting(**({"StudyDescription": "pelvis"} | attributes))
    phantoms.write_ct(here.watch, HU, AFFINE, study=study, keep=[0], edit=edit)
    here.folder.look()
    here.folder.look()
    here.dispatcher.tick(0)
    (job_id,) = [path.name for path in (here.settings.data / "jobs").glob(f"*.{study}-*")]
    return job_id.rpartition("-")[2]


def work_off(here: Node, outcome: dict[str, Any], jobs: int = 1) -> None:
    """Ends the queued jobs with an outcome, without deliveries."""
    with worked_off(here.settings, ScriptedSegmenter(lambda: outcome)):
        until(lambda: sum(state not in ("queued", "running") for state in here.states()) >= jobs)


# Making it takes longer than most requests
kept = lru_cache(maxsize=2)(application)


class Browser:
    """A user of a page, without a network; remembers cookies, and sends the token of the last page."""

    def __init__(self, site: Site) -> None:
        self.client = TestClient(kept(site), base_url="http://127.0.0.1", follow_redirects=False)
        self.token = ""

    def get(self, address: str, **headers: str) -> httpx2.Response:
        """Asks for a page."""
        return self._seen(self.client.get(address, headers=headers))

    def post(self, address: str, /, **form: str) -> httpx2.Response:
        """Sends a form with the token, and follows to the page that it leads to."""
        answer = self.client.post(address, data={"csrf": self.token} | form)
        return self.get(answer.headers["location"]) if answer.status_code == 303 else self._seen(answer)

    def log_in(self, name: str, password: str = PASSWORD) -> httpx2.Response:
        """Logs in."""
        self.get("/login")
        return self.post("/login", name=name, password=password)

    def _seen(self, answer: httpx2.Response) -> httpx2.Response:
        if found := TOKEN.search(answer.text):
            self.token = found[1]
        return answer


def with_users(site: Site) -> dict[Role, Browser]:
    """Adds a user of each role, and returns their browsers, logged in."""
    roles: tuple[Role, ...] = ("administrator", "operator", "viewer")
    for role in roles:
        site.accounts.add(f"{role}-1", role, PASSWORD)
    browsers: dict[Role, Browser] = {role: Browser(site) for role in roles}
    for role, browser in browsers.items():
        assert browser.log_in(f"{role}-1").status_code == 200
    return browsers


@contextmanager
def served(site: Site, server: uvicorn.Server | None = None) -> Iterator[str]:
    """Serves a page on loopback, and yields its address."""
    listening = http_socket("127.0.0.1", 0)
    server = server or server_of(site)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    scheme = "https" if site.web.certificate else "http"
    try:
        until(lambda: server.started)
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def node_with_peers(root: Path, **given: Any) -> Node:
    """Returns a node with one destination and rules that queue each study at once."""
    from tests.service.app.node.queue.test_queue import PACS

    return Node(root, **({"peers": (PACS,), "rules": RULES} | given))
