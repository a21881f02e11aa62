"""Messages: where they go, how many wait, and whether they are taken."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.node.send.message_outbox import status_of
from app.node.send.message_sending import send_test
from app.web.access import AdministratorForm, RefusedError, Viewer, site_of
from app.web.rendering import go_to, page
from operators.errors import OsteonError

router = APIRouter(prefix="/messages")


@router.get("")
def shown(request: Request, visitor: Viewer) -> Response:
    """The page."""
    node = site_of(request).node
    targets = node.messages.targets if node.messages else {}
    states = {name: status_of(node.data, name) for name in targets}
    return page(request, "messages.html", visitor, told=node.messages, states=states)


@router.post("/{name}/test")
def tested(request: Request, name: str, sent: AdministratorForm) -> Response:
    """Sends a test message to one target now."""
    node = site_of(request).node
    if node.messages is None or name not in node.messages.targets:
        raise RefusedError(404, "There is no such target.")
    try:
        send_test(name, node)
    except OsteonError as error:
        return go_to("/messages", sent[0], f"{name}: {error}.")
    return go_to("/messages", sent[0], f"{name}: took a test message.")
