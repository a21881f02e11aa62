"""The images of one result with its segments: the page, and the data that it loads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from app.node.queue.jobs.job_log import series_of
from app.web.access import RefusedError, Visitor, allowed, posted, site_of
from app.web.pages.job import NOT_FOUND, named
from app.web.rendering import page
from app.web.viewing.stored_result import StoredResult
from operators.errors import OsteonError

if TYPE_CHECKING:
    from app.web.viewing.volumes import Opened

NOT_SHOWN = 409
BYTES, GZIP = "application/octet-stream", {"Content-Encoding": "gzip"}
router = APIRouter(prefix="/jobs/{name}/series/{number}")


def result_of(request: Request, name: str, number: int) -> StoredResult:
    """Returns the result of a job's series. Raises RefusedError if there is none."""
    site = site_of(request)
    job = named(site, name)
    outcomes = series_of(site.client, job.job_id)
    if not 0 <= number < len(outcomes) or not outcomes[number].files:
        raise RefusedError(NOT_FOUND, "There is no such result.")
    return StoredResult(site.node.data, job.job_id, number, outcomes[number])


# The visitor first: others are not told which results there are
Viewer = Annotated[Visitor, Depends(allowed("viewer"))]
Viewed = Annotated[StoredResult, Depends(result_of)]


@contextmanager
def said() -> Iterator[None]:
    """Answers with the sentence of an error."""
    try:
        yield
    except OsteonError as error:
        raise RefusedError(NOT_SHOWN, f"The images cannot be shown: {error}.") from error
    except OSError as error:
        raise RefusedError(NOT_SHOWN, "The images cannot be shown; they may have been removed.") from error


def opened(request: Request, result: StoredResult) -> Opened:
    """Returns a CT with its labels. Raises RefusedError."""
    with said():
        return site_of(request).views.opened(result)


@router.get("")
def shown(request: Request, name: str, visitor: Viewer, result: Viewed) -> Response:
    """Returns the page that shows a result."""
    from app.web.viewing import answers

    views, where = site_of(request).views, {"name": name, "number": result.number}
    with said():
        if "answer" in result.report:
            content = answers.radiograph_page(views, result)
            return page(request, "radiograph.html", visitor, **where, **content)
        content = answers.volume_page(result)
    # While the browser gets ready
    threading.Thread(target=answers.prepare, args=(views, result), daemon=True).start()
    may_correct = visitor.may("operator") and bool(content["rows"])
    return page(request, "viewer.html", visitor, may_correct=may_correct, **where, **content)


@router.post("/corrections")
def corrected(
    request: Request,
    sent: Annotated[tuple[Visitor, FormData], Depends(posted("operator", files=1))],
    result: Viewed,
) -> Response:
    """Files the labels that a user drew as a corrected result."""
    from app.web.viewing import answers

    (visitor, form), site = sent, site_of(request)
    labels = form.get("labels")
    if not isinstance(labels, UploadFile):
        raise RefusedError(400, "Expected labels, got none.")
    now, who = site.now(), visitor.account.name
    try:
        views = site.views.opened(result)
        answers.file_drawn(result, views, labels.file.read(), who, now, site.trail)
    except OsteonError as error:
        raise RefusedError(NOT_SHOWN, f"Not filed: {error}.") from error
    visitor.session.messages.append("The corrected result is filed.")
    return Response(status_code=201)


@router.get("/picture.png")
def picture(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns the radiograph."""
    from app.web.viewing import answers

    del visitor
    with said():
        return Response(answers.radiograph(site_of(request).views, result), media_type="image/png")


@router.get("/first.nii")
def first(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns every few voxels of the CT, soon."""
    from app.web.viewing import answers

    del visitor
    with said():
        parts, length = answers.ct_stream(site_of(request).views.first(result))
    return StreamingResponse(parts, media_type=BYTES, headers={"Content-Length": str(length)})


@router.get("/ct.nii")
def ct(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns the CT."""
    from app.web.viewing import answers

    del visitor
    parts, length = answers.ct_stream(opened(request, result).ct)
    return StreamingResponse(parts, media_type=BYTES, headers={"Content-Length": str(length)})


@router.get("/labels.nii")
def labels(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns the segments on the CT's grid."""
    from app.web.viewing import answers

    del visitor
    parts = answers.labels_stream(opened(request, result))
    return StreamingResponse(parts, media_type=BYTES, headers=GZIP)


@router.get("/surfaces.json")
def surfaces(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns the surfaces of the segments."""
    del visitor
    return Response(opened(request, result).surfaces, media_type="application/json")


@router.get("/places.json")
def places(request: Request, visitor: Viewer, result: Viewed) -> Response:
    """Returns where segments, fractures and key slices are seen."""
    from app.web.viewing import answers

    del visitor
    content = answers.places(result, opened(request, result))
    return Response(answers.as_json(content), media_type="application/json")
