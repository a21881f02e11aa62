"""One study: its state, results, log and audit trail, and what a user can do with it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.node.accounts.accounts import Role
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_log import PICTURE, SeriesOutcome, series_of, steps_of
from app.node.queue.jobs.job_names import fingerprint
from app.node.queue.jobs.job_state import ENDS, JobState
from app.node.studies.study_identity import StudyIdentity
from app.node.studies.user_actions import ACTIONS, Acting, act
from app.node.watch.audit_reading import messages_about
from app.web.access import ADMITS_VIEWERS, OperatorForm, RefusedError, Viewer, Visitor, site_of
from app.web.rendering import go_to, page
from app.web.site import Site
from operators.errors import OsteonError

NOT_FOUND = 404
JPEG_QUALITY = 85
# What takes effect only after a question
CONFIRMED = {
    "cancel": "The job ends, and nothing more of it is sent.",
    "delete": "The images, the results and all jobs of the study are removed from this node. What was sent "
    "elsewhere stays there.",
    "withdraw": "Every destination that has the results is sent a rejection note, which asks it to hide "
    "them. This cannot be undone.",
    "accept": "The later versions of the instances are used, and a new job is made.",
}
# Everything else needs an operator
ROLES: dict[str, Role] = {"delete": "administrator"}
DELETE_PATIENT = "delete-patient"
router = APIRouter(prefix="/jobs/{name}")


def named(site: Site, name: str) -> JobState:
    """Returns the job with this fingerprint. Raises RefusedError if there is none."""
    job = site.index.with_fingerprint(name)
    if job is None:
        raise RefusedError(NOT_FOUND, "There is no such job; it may have been removed since.")
    return job


def role_for(action: str) -> Role:
    """Returns the least role for an action."""
    return ROLES.get(action, "operator")


@router.get("")
def shown(request: Request, name: str, visitor: Viewer) -> Response:
    """Returns the page with everything about a job."""
    site = site_of(request)
    job = named(site, name)
    jobs = site.index.jobs
    identity = site.identities.of(job.job_id)
    actions = {
        key: each.does for key, each in ACTIONS.items() if visitor.may(role_for(key)) and each.applies(job)
    }
    return page(
        request,
        "job.html",
        visitor,
        job=job,
        ends=ENDS,
        identity=identity,
        actions=actions,
        confirmed=CONFIRMED,
        steps=steps_of(site.client, job.job_id),
        series=(series := series_of(site.client, job.job_id)),
        pictures=len(pictures_of(site, job, series)),
        audit=messages_about(site.trail.path, job.study_instance_uid),
        others=[each for each in jobs if each != job and each.study_instance_uid == job.study_instance_uid],
        of_patient=studies_of(site, identity),
        may_delete=visitor.may("administrator"),
        viewers={each.name: each.of(job.study_instance_uid) for each in site.web.viewers},
    )


@router.get("/pictures/{number}", dependencies=[ADMITS_VIEWERS])
def picture(request: Request, name: str, number: int) -> Response:
    """Returns a picture of the results, which the job has if a destination receives secondary captures."""
    site = site_of(request)
    job = named(site, name)
    paths = pictures_of(site, job, series_of(site.client, job.job_id))
    if not 0 <= number < len(paths):
        raise RefusedError(NOT_FOUND, "There is no such picture.")
    return Response(jpeg_of(paths[number]), media_type="image/jpeg")


def pictures_of(site: Site, job: JobState, series: Sequence[SeriesOutcome]) -> list[Path]:
    """Returns the secondary captures among a job's results that are still there."""
    output = job_folder(site.node.data, job.job_id).output
    paths = [output / file for each in series for file in each.of_kind(PICTURE)]
    return [path for path in paths if path.is_file()]


def jpeg_of(path: Path) -> bytes:
    """Returns a secondary capture as JPEG."""
    # Only these need the libraries for DICOM objects and for pictures
    from PIL import Image

    from operators.dicom.capture.secondary_captures import read_picture

    file = BytesIO()
    Image.fromarray(read_picture(path)[0]).save(file, format="JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def studies_of(site: Site, identity: StudyIdentity) -> dict[str, JobState]:
    """Returns the latest job of each study of a patient whose files have been read."""
    known = site.identities.known
    return {
        job.study_instance_uid: job
        for job in site.index.jobs
        if identity.patient_id
        and known.get(job.job_id, identity).patient_id == identity.patient_id
        and job.job_id in known
    }


@router.post("/{action}")
def acted(request: Request, name: str, action: str, sent: OperatorForm) -> Response:
    """Carries out an action, after a question if it cannot be undone."""
    (visitor, form), site = sent, site_of(request)
    job = named(site, name)
    if action == DELETE_PATIENT:
        return deleted_patient(request, visitor, form, job)
    if action not in ACTIONS:
        raise RefusedError(NOT_FOUND, "There is no such action.")
    if not visitor.may(role_for(action)):
        raise RefusedError(403, f"This needs the role {role_for(action)}.")
    if action in CONFIRMED and not form.get("sure"):
        return asked(
            request, visitor, name, f"/jobs/{name}/{action}", ACTIONS[action].does, CONFIRMED[action]
        )
    said = carried_out(site, visitor, action, job)
    return go_to("/" if action == "delete" else f"/jobs/{fingerprint(job.job_id)}", visitor, *said)


def asked(
    request: Request, visitor: Visitor, name: str, address: str, does: str, means: str, **fields: str
) -> Response:
    """Asks whether the user is sure; the answer is sent to `address` with the form's `fields`."""
    values = {"name": name, "address": address, "does": does, "means": means, "fields": fields}
    return page(request, "sure.html", visitor, **values)


def carried_out(site: Site, visitor: Visitor, action: str, job: JobState) -> list[str]:
    """Carries out an action and returns what came of it, or why it was not possible."""
    try:
        return act(Acting(site.node, site.client, visitor.account.name), action, job.job_id)
    except OsteonError as error:
        return [f"Not done: {error}."]
    finally:
        site.index.look()


def deleted_patient(request: Request, visitor: Visitor, form: FormData, job: JobState) -> Response:
    """Deletes all studies of a job's patient, after a question."""
    site = site_of(request)
    if not visitor.may("administrator"):
        raise RefusedError(403, "This needs the role administrator.")
    studies = studies_of(site, site.identities.of(job.job_id))
    if not form.get("sure"):
        means = f"All {len(studies)} studies of this patient: {CONFIRMED['delete']}"
        name = fingerprint(job.job_id)
        return asked(request, visitor, name, f"/jobs/{name}/{DELETE_PATIENT}", "Delete the patient", means)
    said = [f"{uid}: {' '.join(carried_out(site, visitor, 'delete', each))}" for uid, each in studies.items()]
    return go_to("/", visitor, *said)
