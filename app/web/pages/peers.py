"""Peers: which answer, and who was rejected in the last day."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.node.watch.audit_reading import rejections
from app.web.access import OperatorForm, RefusedError, Viewer, site_of
from app.web.rendering import go_to, page

DAY = timedelta(days=1)
MOST_REJECTIONS = 200
router = APIRouter(prefix="/peers")


@router.get("")
def shown(request: Request, visitor: Viewer) -> Response:
    """Returns the page of the peers."""
    site = site_of(request)
    rejected = rejections(site.trail.path, site.now() - DAY)
    return page(
        request,
        "peers.html",
        visitor,
        peers=site.node.peers,
        states=site.peers.known,
        rejected=rejected[:MOST_REJECTIONS],
        rejected_count=len(rejected),
    )


@router.post("/{name}/echo")
def tested(request: Request, name: str, sent: OperatorForm) -> Response:
    """Tests one destination now."""
    site = site_of(request)
    peer = next((peer for peer in site.node.destinations if peer.name == name), None)
    if peer is None:
        raise RefusedError(404, "There is no such destination.")
    state = site.peers.test(peer)
    said = state.sentence or f"answers after {state.seconds:.2f} s"
    return go_to("/peers", sent[0], f"{peer.name}: {said}.")
