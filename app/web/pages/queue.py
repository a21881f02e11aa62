"""The state of the node: its parts, its disk, the queue and what was done in each hour."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.node.queue.jobs.job_search import hours
from app.node.queue.jobs.job_state import STATES
from app.web.access import LoginNeededError, Viewer, site_of
from app.web.access import visitor as visitor_of
from app.web.pictures import bars, curve
from app.web.rendering import page, render
from app.web.site import Site

# A stream ends before the port's limit for one answer; browsers connect again
STREAM_S, LOOK_S, RETRY_MS = 60, 1.0, 1000
router = APIRouter()


@router.get("/queue")
def shown(request: Request, visitor: Viewer) -> Response:
    """Returns the page with the state of the node."""
    return page(request, "queue.html", visitor, **state_of(site_of(request)))


@router.get("/queue/now")
def now(request: Request, visitor: Viewer) -> Response:
    """Returns the part of the page that changes."""
    values = state_of(site_of(request))
    return render(request, "queue_now.html", visitor, health=site_of(request).board.read(), **values)


def state_of(site: Site) -> dict[str, object]:
    """Returns what the page shows."""
    jobs = site.index.fresh()
    now_ms = int(site.now().timestamp() * 1000)
    samples = list(site.samples)
    counts = Counter(job.state for job in jobs)
    return {
        "counts": {state: counts[state] for state in STATES},
        "hours": (done := list(hours(jobs, now_ms))),
        "bars": bars(done),
        "samples": samples,
        "free": curve([each.free_bytes for each in samples]),
        "waiting": curve([each.waiting for each in samples]),
        "minimum_free_mb": site.node.minimum_free_mb,
    }


@router.get("/health-line")
def health(request: Request, visitor: Viewer) -> Response:
    """Returns the line that says whether all parts of the node work."""
    return render(request, "health.html", visitor, health=site_of(request).board.read())


@router.get("/events")
async def events(request: Request) -> Response:
    """Returns a stream of events: `jobs` when a job has changed, `health` when a part has."""
    await run_in_threadpool(visitor_of, request)
    shown = request.headers.get("Last-Event-ID") or request.query_params.get("shown", "")
    return StreamingResponse(changes(request, dict(parse_qsl(shown))), media_type="text/event-stream")


async def changes(request: Request, shown: dict[str, str]) -> AsyncIterator[str]:
    """Yields events (HTML, 9.2) until the session ends or the time is over.

    `shown` is what the page shows already: a change between the page and its stream is told, too.
    """
    site = site_of(request)
    yield f"retry: {RETRY_MS}\n\n"
    for _ in range(int(STREAM_S / LOOK_S)):
        await run_in_threadpool(site.index.fresh, LOOK_S)
        now = site.changes_so_far()
        for name, value in now.items():
            if shown.get(name) != value:
                shown[name] = value
                yield f"event: {name}\nid: {urlencode(shown)}\ndata: changed\n\n"
        await asyncio.sleep(LOOK_S)
        try:
            await run_in_threadpool(visitor_of, request)
        except LoginNeededError:
            return
