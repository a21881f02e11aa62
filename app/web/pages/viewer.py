"""The images of one result with its segments: the page, and the data that it loads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from app.node.queue.jobs.job_log import series_of
from app.node.studies.edited_results import EditedResult, filed_edits
from app.node.studies.replacement import receivers, replace_results, told_replacements
from app.web.access import ADMITS_VIEWERS, OperatorForm, RefusedError, Viewer, Visitor, posted, site_of
from app.web.pages.job import NOT_FOUND, asked, named
from app.web.rendering import go_to, page
from app.web.site import Site
from app.web.viewing.stored_result import StoredResult
from operators.errors import OsteonError

if TYPE_CHECKING:
    from app.web.viewing.volumes import Opened

NOT_SHOWN = 409
REPLACE = "Send the corrected result in place of what was sent"
BYTES, GZIP = "application/octet-stream", {"Content-Encoding": "gzip"}
router = APIRouter(prefix="/jobs/{name}/series/{number}")


def result_of(request: Request, name: str, number: int, corrected: str = "") -> StoredResult:
    """Returns the result of a job's series, or the corrected one of a SOP instance UID.

    Raises RefusedError if there is none.
    """
    site = site_of(request)
    job = named(site, name)
    outcomes = series_of(site.client, job.job_id)
    if not 0 <= number < len(outcomes) or not outcomes[number].files:
        raise RefusedError(NOT_FOUND, "There is no such result.")
    result = StoredResult(site.node.data, job.job_id, number, outcomes[number])
    if not corrected:
        return result
    edits = [edit for edit in filed_edits(site.node.data, job.job_id) if is_of(edit, result)]
    if corrected not in {edit.instance for edit in edits}:
        raise RefusedError(NOT_FOUND, "There is no such corrected result.")
    return replace(result, corrected=corrected)


def is_of(edit: EditedResult, result: StoredResult) -> bool:
    """Returns whether a corrected result was made from this one."""
    return result.seg is not None and edit.corrects == result.seg.name


# Read after the visitor is admitted: others are not told which results there are
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
    client, job_id = site_of(request).client, result.job_id
    return page(
        request,
        "viewer.html",
        visitor,
        # Corrections are of the result as it was made
        may_correct=visitor.may("operator") and bool(content["rows"]) and not result.corrected,
        may_replace=visitor.may("operator"),
        corrected=result.corrected,
        receivers=receivers(client, job_id),
        sent=told_replacements(client, job_id),
        **where,
        **content,
    )


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
        drawing = answers.Drawing(labels.file.read(), str(form.get("splits", "[]")))
        instance = answers.file_drawn(result, views, drawing, who, now, site.trail)
    except OsteonError as error:
        raise RefusedError(NOT_SHOWN, f"Not filed: {error}.") from error
    said = sent_in_place(site, result, instance, who) if form.get("replace") else []
    visitor.session.messages.extend(("The corrected result is filed.", *said))
    return Response(status_code=201)


@router.post("/replace")
def replaced(
    request: Request,
    name: str,
    # Before the result, so that a stranger does not learn which there are
    sent: OperatorForm,
    result: Viewed,
) -> Response:
    """Sends a corrected result in place of the results that destinations have, after a question."""
    (visitor, form), site = sent, site_of(request)
    address, instance = f"/jobs/{name}/series/{result.number}", str(form.get("instance", ""))
    if not form.get("sure"):
        peers = ", ".join(receivers(site.client, result.job_id))
        means = f"A rejection note of what it has goes to {peers}, then the corrected results."
        return asked(request, visitor, name, f"{address}/replace", REPLACE, means, instance=instance)
    return go_to(address, visitor, *sent_in_place(site, result, instance, visitor.account.name))


def sent_in_place(site: Site, result: StoredResult, instance: str, who: str) -> list[str]:
    """Queues that a corrected result is sent, and returns what came of it, or why it was not possible."""
    try:
        return replace_results(site.client, result.job_id, instance, site.node, who, site.now(), site.trail)
    except OsteonError as error:
        return [f"Not sent: {error}."]
    finally:
        site.index.look()


@router.get("/picture.png", dependencies=[ADMITS_VIEWERS])
def picture(request: Request, result: Viewed) -> Response:
    """Returns the radiograph."""
    from app.web.viewing import answers

    with said():
        return Response(answers.radiograph(site_of(request).views, result), media_type="image/png")


@router.get("/still.png", dependencies=[ADMITS_VIEWERS])
def still(request: Request, result: Viewed) -> Response:
    """Returns the middle planes of the CT, for the time until the browser can draw them."""
    from app.web.viewing import answers

    with said():
        return Response(answers.still(site_of(request).views, result), media_type="image/png")


@router.get("/first.nii", dependencies=[ADMITS_VIEWERS])
def first(request: Request, result: Viewed) -> Response:
    """Returns every few voxels of the CT, soon."""
    from app.web.viewing import answers

    with said():
        parts, length = answers.ct_stream(site_of(request).views.first(result))
    return StreamingResponse(parts, media_type=BYTES, headers={"Content-Length": str(length)})


@router.get("/ct.nii", dependencies=[ADMITS_VIEWERS])
def ct(request: Request, result: Viewed) -> Response:
    """Returns the CT."""
    from app.web.viewing import answers

    parts, length = answers.ct_stream(opened(request, result).ct)
    return StreamingResponse(parts, media_type=BYTES, headers={"Content-Length": str(length)})


@router.get("/labels.nii", dependencies=[ADMITS_VIEWERS])
def labels(request: Request, result: Viewed) -> Response:
    """Returns the segments on the CT's grid."""
    from app.web.viewing import answers

    parts = answers.labels_stream(opened(request, result))
    return StreamingResponse(parts, media_type=BYTES, headers=GZIP)


@router.get("/surfaces.json", dependencies=[ADMITS_VIEWERS])
def surfaces(request: Request, result: Viewed) -> Response:
    """Returns the surfaces of the segments."""
    return Response(opened(request, result).surfaces, media_type="application/json")


@router.get("/places.json", dependencies=[ADMITS_VIEWERS])
def places(request: Request, result: Viewed) -> Response:
    """Returns where segments, fractures and key slices are seen."""
    from app.web.viewing import answers

    content = answers.places(result, opened(request, result))
    return Response(answers.as_json(content), media_type="application/json")
