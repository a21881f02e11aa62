"""Health and metrics over HTTP, on the loopback address unless set otherwise."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import structlog
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp

from app.node.accounts.accounts import Accounts
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import STATES
from app.node.receive.dicomweb import stow_router
from app.node.send.message_outbox import status_of
from app.node.service.account_guard import AccountGuard
from app.node.service.http_server import http_server
from app.node.service.parts import store_of
from app.node.settings.ports import bound, http_socket
from app.node.storage.inbox import Inbox

if TYPE_CHECKING:
    from app.node.service.supervisor import Node
    from app.node.settings.configuration import NodeSettings

# How long the metrics wait for the database; after that they report its last known numbers.
JOBS_S = 2.0

log = structlog.get_logger()


class NodeCollector(Collector):
    """Collects the metrics that are read on demand: jobs by state, disk, restarts of parts, health."""

    def __init__(self, node: Node) -> None:
        self.node, self.counts = node, Counter[str]()
        self.lock = threading.Lock()
        self.counting: threading.Thread | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yields the gauges."""
        yield from self._jobs()
        yield from self._disk()
        restarts = GaugeMetricFamily("osteon_part_restarts", "Restarts of a part", labels=["part"])
        for part in self.node.parts:
            restarts.add_metric([part.name], part.restarts)
        yield restarts
        yield from self._messages()
        yield from self._health()

    def _count(self) -> None:
        try:
            self.counts = Counter(job.state for job in list_jobs(self.node.client))
        except Exception as error:
            log.warning("value_unread", error=type(error).__name__)

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        """Counts the jobs in a daemon thread, one at a time, as the database may hang."""
        with self.lock:
            if self.counting is None or not self.counting.is_alive():
                self.counting = threading.Thread(target=self._count, name="latest", daemon=True)
                self.counting.start()
            counting = self.counting
        counting.join(JOBS_S)
        counts = self.counts
        family = GaugeMetricFamily("osteon_jobs", "Jobs by state", labels=["state"])
        for state in STATES:
            family.add_metric([state], counts[state])
        yield family

    def _disk(self) -> Iterator[GaugeMetricFamily]:
        disk = self.node.disk
        if disk.free_bytes is not None:
            yield GaugeMetricFamily("osteon_disk_free_bytes", "Free bytes on the disk", disk.free_bytes)
        least = disk.minimum_free_bytes
        yield GaugeMetricFamily("osteon_disk_minimum_free_bytes", "Nothing is received below it", least)

    def _messages(self) -> Iterator[GaugeMetricFamily]:
        node = self.node.node
        family = GaugeMetricFamily("osteon_messages_waiting", "Messages not sent yet", labels=["target"])
        for target in node.messages.targets if node.messages else ():
            family.add_metric([target], status_of(node.data, target).waiting)
        yield family

    def _health(self) -> Iterator[GaugeMetricFamily]:
        ill = self.node.ill(time.monotonic())
        family = GaugeMetricFamily("osteon_ill", "1 for each name that /health lists", labels=["name"])
        known = [part.name for part in self.node.parts] + [loop.name for loop in self.node.loops]
        for name in dict.fromkeys([*known, *ill]):
            family.add_metric([name], name in ill)
        yield family


def application(node: Node) -> FastAPI:
    """Returns the web application with its routes."""
    app = FastAPI(title="Osteon", docs_url=None, redoc_url=None, openapi_url=None)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(NodeCollector(node))

    # Both read memory only and need no thread, so they answer even if something hangs
    @app.get("/health")
    async def health(response: Response) -> dict[str, object]:
        ill = node.ill(time.monotonic())
        response.status_code = 503 if ill else 200
        return {"status": "ill" if ill else "well", "ill": ill, "disk": node.disk.figures()}

    @app.get("/live")
    async def live(response: Response) -> dict[str, object]:
        is_turning = node.is_turning(time.monotonic())
        response.status_code = 200 if is_turning else 503
        return {"status": "well" if is_turning else "ill"}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    if node.node.stow:
        store = store_of(node.settings, Inbox(node.node.data, "stow"))
        app.include_router(stow_router(node.node, store))
    return app


def server_of(app: ASGIApp, settings: NodeSettings) -> uvicorn.Server:
    """Returns the server of the node's HTTP port, which asks for accounts if the settings say so."""
    if settings.http_accounts:
        app = AccountGuard(app, Accounts(settings))
    names, proxies = settings.http_names, settings.http_proxies
    return http_server(app, settings.http_host, names, proxies, settings.http_connections)


class Web:
    """The HTTP server, which runs in its own thread."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.server: uvicorn.Server | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the server. Raises PortError."""
        settings = self.node.node
        host, port = settings.http_host, settings.http_port
        listening = bound(partial(http_socket, host, port), host, port)
        self.server = server_of(application(self.node), settings)
        run = partial(self.server.run, sockets=[listening])
        self.thread = threading.Thread(target=run, name="http", daemon=True)
        self.thread.start()

    @property
    def has_died(self) -> bool:
        """Returns whether the server's thread has ended."""
        return self.thread is not None and not self.thread.is_alive()

    def stop(self) -> None:
        """Stops the server; it accepts no more requests."""
        if self.server is not None:
            self.server.should_exit = True
