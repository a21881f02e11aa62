"""Receives instances by STOW-RS (PS3.18 10.5), into the same inbox as C-STORE."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import ip_address

import structlog
from fastapi import APIRouter, Request, Response
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from app.node.receive.dicomweb_part import part_received
from app.node.receive.dicomweb_response import response_json
from app.node.receive.incoming import OUT_OF_RESOURCES, SUCCESS, GrowingFile
from app.node.receive.reception import Received, Store
from app.node.settings.configuration import NodeSettings
from operators.dicom.elements.attributes import is_uid

log = structlog.get_logger()

MULTIPART, DICOM, DICOM_JSON = b"multipart/related", b"application/dicom", "application/dicom+json"
# AE title for requests from this machine itself, such as from a proxy or a script
LOCAL_AE = "STOW-RS"
BAD_REQUEST, FORBIDDEN, CONFLICT, TOO_LARGE, UNSUPPORTED = 400, 403, 409, 413, 415
OK, ACCEPTED, UNAVAILABLE = 200, 202, 503
# Concurrent requests; further ones are told to retry (503), so that health checks are still answered.
AT_ONCE = 16
# Maximum instances of one request; a whole-body CT has several thousand.
MOST_PARTS = 20_000
# Refused data that one request may send before it is ended.
MOST_REFUSED_BYTES = 256 << 20
RETRY_AFTER_S = 10


def stow_router(settings: NodeSettings, store: Store) -> APIRouter:
    """Returns the routes of the two resources that accept instances."""
    router, places = APIRouter(), asyncio.Semaphore(AT_ONCE)

    async def received(request: Request, study: str = "") -> Response:
        if places.locked():
            return Response(status_code=UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
        async with places:
            return await stored(request, settings, store, study)

    @router.post("/studies")
    async def any_study(request: Request) -> Response:
        return await received(request)

    @router.post("/studies/{study}")
    async def one_study(request: Request, study: str) -> Response:
        if not is_uid(study):
            return Response(status_code=BAD_REQUEST)
        return await received(request, study)

    return router


async def stored(request: Request, settings: NodeSettings, store: Store, study: str = "") -> Response:
    """Stores each part of a request as it arrives; the response states the outcome of each."""
    address = request.client.host if request.client else ""
    sender = sender_at(address, settings)
    if sender is None:
        log.warning("stow_refused", reason="no peer may send from this address")
        return Response(status_code=FORBIDDEN)
    boundary = dicom_boundary(request.headers.get("content-type", ""))
    if boundary is None:
        return Response(status_code=UNSUPPORTED)
    parts = Parts(boundary, store, sender, study)
    try:
        await parts.read(request.stream())
    except (FormParserError, ClientDisconnect):
        return Response(status_code=BAD_REQUEST)
    except TooLargeError:
        log.warning("stow_refused", reason="too many instances, or no room for all that comes")
        return Response(status_code=TOO_LARGE, headers={"Connection": "close"})
    finally:
        await run_in_threadpool(parts.end, address)
    return JSONResponse(response_json(parts.received), status_of(parts.received), media_type=DICOM_JSON)


class TooLargeError(Exception):
    """A request exceeds the limits."""


class Parts:
    """The parts of one request's body, parsed in a thread that may wait for the disk."""

    def __init__(self, boundary: bytes, store: Store, sender: str, study: str) -> None:
        self.store, self.sender, self.study = store, sender, study
        self.received: list[Received] = []
        self.part: GrowingFile | None = None
        self.refused_bytes = 0
        self.parser = MultipartParser(
            boundary,
            {"on_part_begin": self._begin, "on_part_data": self._data, "on_part_end": self._finish},
        )

    async def read(self, chunks: AsyncIterator[bytes]) -> None:
        """Reads the whole body. Raises FormParserError for an invalid or truncated body, TooLargeError."""
        async for chunk in chunks:
            await run_in_threadpool(self.parser.write, chunk)
            if self.parser.state is MultipartState.END:
                return
        self.parser.finalize()
        if self.part is not None:
            raise FormParserError("expected a last boundary, got none")

    def end(self, address: str) -> None:
        """Discards an unfinished part, and reports the received images."""
        if self.part is not None:
            self.part.drop()
        images = Counter(
            each.instance.study_instance_uid
            for each in self.received
            if each.status == SUCCESS and each.instance is not None
        )
        if images:
            self.store.ended(self.sender, address, images)

    def _begin(self) -> None:
        if len(self.received) >= MOST_PARTS:
            raise TooLargeError
        self.part = GrowingFile()
        if self.store.has_room():
            self.part.open(self.store.inbox.new_part())
        else:
            self.part.refuse(OUT_OF_RESOURCES)

    def _data(self, content: bytes, start: int, end: int) -> None:
        assert self.part is not None
        self.part.grow(memoryview(content)[start:end], self.store.has_room)
        self.refused_bytes += end - start if self.part.status is not None else 0
        if self.refused_bytes > MOST_REFUSED_BYTES:
            raise TooLargeError

    def _finish(self) -> None:
        assert self.part is not None
        received = part_received(self.part, self.store, self.sender, self.study)
        self.part = None
        self.store.tell(received)
        self.received.append(received)


def sender_at(address: str, settings: NodeSettings) -> str | None:
    """Returns the AE title of the peer with this address, LOCAL_AE for this machine, None for all others."""
    for peer in settings.sources:
        if address in peer.addresses:
            return peer.ae_title
    try:
        return LOCAL_AE if ip_address(address).is_loopback else None
    except ValueError:
        return None


def dicom_boundary(content_type: str) -> bytes | None:
    """Returns the boundary, or None if the body is not multipart/related with DICOM files."""
    kind, options = parse_options_header(content_type)
    is_dicom = kind == MULTIPART and options.get(b"type", DICOM).lower() == DICOM
    return options.get(b"boundary") or None if is_dicom else None


def status_of(received: list[Received]) -> int:
    """Returns the HTTP status for all, some or no instances stored (PS3.18 10.5.3.2)."""
    statuses = {each.status for each in received}
    if not statuses:
        return BAD_REQUEST
    if statuses == {OUT_OF_RESOURCES}:
        return UNAVAILABLE
    if statuses == {SUCCESS}:
        return OK
    return ACCEPTED if SUCCESS in statuses else CONFLICT
