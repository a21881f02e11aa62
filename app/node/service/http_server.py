"""The HTTP server of a port: uvicorn behind the checks of host and origin, with all limits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.node.service.http_guard import RequestGuard
from app.node.service.http_limits import HEAD_BYTES, bounded
from app.node.settings.ports import BACKLOG

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 (stated in the settings and documents)


def http_server(
    app: ASGIApp,
    host: str,
    names: Collection[str],
    proxies: Collection[str],
    connections: int,
    **options: Any,
) -> uvicorn.Server:
    """Returns a server of an application, with options of uvicorn.

    It answers to its host, its names and IP addresses; X-Forwarded-For and -Proto are trusted from `proxies`
    only.
    """
    own = () if host in WILDCARDS else (host,)
    return uvicorn.Server(
        uvicorn.Config(
            RequestGuard(app, (*own, *names)),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            http=bounded(connections),
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=BACKLOG,
            server_header=False,
            timeout_graceful_shutdown=5,
            **options,
        )
    )
