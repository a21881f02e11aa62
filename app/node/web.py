"""Health and metrics over HTTP, on the loopback address unless set otherwise."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import uvicorn
from dbos import DBOSClient
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.node.inbox import Inbox
from app.node.jobs import STATES, list_jobs
from app.node.reception import Store
from app.node.stow import stow_router

if TYPE_CHECKING:
    from app.node.service import Node


class NodeCollector(Collector):
    """What is looked up when it is asked for: jobs by state, the disk, parts that ended."""

    def __init__(self, node: Node, client: DBOSClient) -> None:
        self.node, self.client = node, client
        self.inbox = Inbox(node.node.data, "web")

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Gauges."""
        yield from self._jobs()
        yield GaugeMetricFamily("osteon_disk_free_bytes", "Free below the inbox", self.inbox.free_bytes())
        restarts = GaugeMetricFamily("osteon_part_restarts", "How often a part ended", labels=["part"])
        for part in self.node.parts:
            restarts.add_metric([part.name], part.restarts)
        yield restarts

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        counts = Counter(job.state for job in list_jobs(self.client))
        family = GaugeMetricFamily("osteon_jobs", "Jobs by state", labels=["state"])
        for state in STATES:
            family.add_metric([state], counts[state])
        yield family


def application(node: Node, client: DBOSClient) -> FastAPI:
    """The routes."""
    app = FastAPI(title="Osteon", docs_url=None, redoc_url=None, openapi_url=None)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(NodeCollector(node, client))

    @app.get("/health")
    def health(response: Response) -> dict[str, object]:
        ill = node.ill + ([] if answers(client) else ["database"])
        response.status_code = 503 if ill else 200
        return {"status": "ill" if ill else "well", "ill": ill}

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    if node.node.stow:
        app.include_router(stow_router(node.node, stow_store(node)))
    return app


def stow_store(node: Node) -> Store:
    """The same inbox as the listener's, the same counters, and the same audit trail."""
    from app.node.parts import MEGABYTE, received_by, teller

    inbox = Inbox(node.node.data, "stow")
    inbox.recover()
    return Store(inbox, node.node.minimum_free_mb * MEGABYTE, teller(), received_by(node.settings))


def answers(client: DBOSClient) -> bool:
    """Whether the database does."""
    try:
        client.list_workflows(limit=1, load_input=False, load_output=False)
    except SQLAlchemyError:
        return False
    return True


def serve_http(node: Node, client: DBOSClient) -> uvicorn.Server:
    """In a thread; set `should_exit` to end it."""
    configuration = uvicorn.Config(
        application(node, client), host=node.node.http_host, port=node.node.http_port,
        log_config=None, access_log=False, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(configuration)
    threading.Thread(target=server.run, daemon=True).start()
    return server
