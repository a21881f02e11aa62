"""The process of the page: HTTP or HTTPS, and the loops that keep its figures up to date."""

from __future__ import annotations

import shutil
import ssl
import threading
import time
from functools import partial
from importlib import import_module
from typing import Any

import uvicorn

from app.node.queue.database import open_connection
from app.node.service.http_server import http_server
from app.node.service.page_check import require_libraries, require_pair, require_somebody
from app.node.service.parts import begin
from app.node.settings.ports import bound, http_socket
from app.node.settings.web import WebSettings
from app.node.watch.board import StatusBoard
from app.node.watch.heartbeat import Life
from app.node.watch.loops import Loop
from app.settings import Settings
from app.web.site import SAMPLE_S, Sample, Site, make_site

# Files are read this many at a time, between other work
IDENTITIES_AT_ONCE, IDENTITIES_PAUSE_S = 50, 1.0
CERTIFICATE_LOOK_S = 5.0
VIEWS_PAUSE_S = 60.0
# What shows images, and what reading them imports on first use
VIEWING = ("app.web.viewing.answers", "scipy.signal")
SILENT_S = 600.0


def web_part(settings: Settings, board: StatusBoard, life: Life) -> None:
    """Runs the page until the stop signal.

    Raises UsageError if a library or, on an address that others reach, an account is missing, and PortError.
    """
    web = settings.node.web
    assert web is not None
    require_libraries(web)
    site = make_site(settings, web, open_connection(settings.node, lazy=True), board)
    require_somebody(settings.node, web)
    server = server_of(site)
    listening = bound(partial(http_socket, web.host, web.port), web.host, web.port)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
    thread.start()
    loops = loops_of(site, server)
    for loop in loops:
        loop.start()
    begin(life)
    life.until_stopped([thread, *(loop.thread for loop in loops)])
    server.should_exit = True
    thread.join(5.0)


def server_of(site: Site) -> uvicorn.Server:
    """Returns the server of the page, with the limits of the node's own HTTP port."""
    from app.web.application import application

    web = site.web
    return http_server(
        application(site),
        web.host,
        web.names,
        web.proxies,
        site.node.http_connections,
        **tls_options(web),
    )


def tls_options(web: WebSettings) -> dict[str, Any]:
    """Returns uvicorn's options for HTTPS, none without a certificate. Raises UsageError for bad files."""
    if web.certificate is None or web.key is None:
        return {}
    require_pair(web.certificate, web.key)
    return {"ssl_certfile": web.certificate, "ssl_keyfile": web.key}


def loops_of(site: Site, server: uvicorn.Server) -> list[Loop]:
    """Returns the loops of the page, none of them started."""
    found = [
        Loop("samples", lambda: sample(site), SAMPLE_S, SILENT_S),
        Loop("views", lambda: forget_views(site), VIEWS_PAUSE_S, SILENT_S),
        Loop("identities", lambda: read_identities(site), IDENTITIES_PAUSE_S, SILENT_S),
    ]
    if site.web.echo_s:
        found.append(Loop("echo", site.peers.look, site.web.echo_s, SILENT_S))
    if site.web.certificate is not None:
        found.append(Loop("certificate", Certificates(site.web, server).look, CERTIFICATE_LOOK_S, SILENT_S))
    return found


def sample(site: Site) -> None:
    """Adds the present figures to the pictures."""
    free_bytes = shutil.disk_usage(site.node.data).free
    waiting = sum(job.state in ("queued", "running") for job in site.index.fresh())
    site.samples.append(Sample(int(time.time() * 1000), free_bytes, waiting))


def forget_views(site: Site) -> None:
    """Forgets images that nobody looks at any more; the first time, loads what shows images."""
    for library in VIEWING:
        import_module(library)
    site.views.forget_old()


def read_identities(site: Site) -> None:
    """Reads the accession numbers of some jobs, so that they can be searched for."""
    site.identities.keep([job.job_id for job in site.index.fresh()], IDENTITIES_AT_ONCE)


class Certificates:
    """Reads new certificate files; connections that are open keep theirs."""

    def __init__(self, web: WebSettings, server: uvicorn.Server) -> None:
        self.web, self.server = web, server
        self.known = self._stamp()

    def look(self) -> None:
        """Reads the files if they have changed. Raises OSError if they cannot be used; the old ones stay."""
        context, now = self.server.config.ssl, self._stamp()
        if now == self.known or context is None:
            return
        assert self.web.certificate is not None
        assert self.web.key is not None
        # A new context first, as a key that does not match would spoil the one in use
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            self.web.certificate, self.web.key
        )
        context.load_cert_chain(self.web.certificate, self.web.key)
        self.known = now

    def _stamp(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in (self.web.certificate, self.web.key) if path)
