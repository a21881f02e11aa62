"""Delivers a job's results to one destination."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from app.library_messages import defect_values
from app.node.commitment.commitment import report_owed
from app.node.commitment.requests import ask, require_committed, transaction_of
from app.node.peers import destination as c_store
from app.node.peers.destination import Outgoing, Refused
from app.node.queue.database import CORRECTION
from app.node.queue.job import Json, job_folder
from app.node.queue.jobs.job_state import FORMER_DATA
from app.node.queue.workflow import Attempt
from app.node.reports.destination import send_report
from app.node.segment.series_outcome import sha256_of
from app.node.send import dicomweb_destination as stow_destination
from app.node.send.delivery import deliver_result
from app.node.send.notices import post
from app.node.send.withdrawal import NOT_TAKEN, WITHDRAWN, WITHDRAWN_AT, rejection_of
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import FallbackEncoding, Peer
from app.node.storage.file_lock import try_lock
from app.node.storage.inbox import Inbox
from app.node.watch.audit import DESTINATION, FAILED, SUCCEEDED, AuditTrail
from app.node.watch.audit_message import Participant
from operators.errors import (
    DEFECT,
    OsteonError,
    OutputError,
    TransientError,
    UnsuitableError,
    UnwritableError,
    as_osteon_error,
)

log = structlog.get_logger()

# The code of a delivery for which the study has no result of the kinds that the peer receives
NOTHING_TO_SEND = "nothing_to_send"
# The code of a delivery with corrected results
CORRECTED = "corrected"
# The code with which an encoding refuses what has no place in the patient
NO_FRAME_OF_REFERENCE = "no_frame_of_reference"


def attempt(delivery: Json, settings: NodeSettings, trail: AuditTrail) -> Attempt:
    """Attempts a delivery once, writes the audit trail and returns the outcome."""
    if job_folder(settings.data, delivery["job_id"]).former.exists() and WITHDRAWN_AT not in delivery:
        log.warning("delivery_cancelled", job=delivery["job_id"], peer=delivery["peer"], code=FORMER_DATA)
        return Attempt("cancelled", FORMER_DATA, "patient or study data were corrected before it was sent")
    outcome = named(delivery["job_id"], delivery["peer"], lambda: deliver_alone(delivery, settings))
    peer = next((peer for peer in settings.destinations if peer.name == delivery["peer"]), None)
    if outcome.state != "transient" and peer is not None and delivery["files"]:
        who = Participant(peer.ae_title or peer.name, peer.address, DESTINATION, False)
        study = delivery["job_id"].rpartition("-")[0]
        result = SUCCEEDED if outcome.state == "delivered" else FAILED
        if peer.report is not None:
            trail.reported(who, study, result)
        else:
            trail.delivered(who, study, outcome.instances or len(delivery["files"]), result)
    return outcome


def deliver_alone(delivery: Json, settings: NodeSettings) -> Attempt:
    """Delivers unless the same delivery is in progress elsewhere, and raises TransientError if it is.

    That happens if a job was cancelled and retried, or if a machine counted as lost still runs. The lock ends
    with its process.
    """
    folder = job_folder(settings.data, delivery["job_id"]).root
    if not folder.is_dir():
        return deliver(delivery, settings)
    with (folder / f"{delivery['peer']}.lock").open("wb") as lock:
        if not try_lock(lock.fileno(), fcntl.LOCK_EX):
            text = f"expected no other process to deliver to {delivery['peer']}, another one does"
            raise TransientError(text, code="under_way")
        return deliver(delivery, settings)


def deliver(delivery: Json, settings: NodeSettings) -> Attempt:
    """Stores the results, and requests commitment if the peer is configured for it."""
    peer, job_id = destination(delivery["peer"], settings), delivery["job_id"]
    if not delivery["files"]:
        log.info("nothing_to_send", job=job_id, peer=peer.name)
        wanted = " and ".join(peer.kinds)
        text = f"{peer.name} receives only {wanted}, of which the study has none; nothing was sent to it"
        return Attempt("delivered", NOTHING_TO_SEND, text)
    if peer.report is not None:
        return report_to(peer, delivery, settings)
    if WITHDRAWN_AT in delivery:
        return send_rejection(delivery, peer, settings)
    files = [outgoing(each, job_id, settings) for each in delivery["files"]]
    captures = [outgoing(each, job_id, settings) for each in delivery.get("captures", ())]
    make = partial(fallbacks, peer, captures)
    done = deliver_result(files, make, peer, lambda some: store(some, peer, settings))
    if peer.commitment:
        ask(list(done.files), peer, settings, transaction_of(delivery))
    log.info("delivered", job=job_id, peer=peer.name, instances=len(done.files), but=done.sentence)
    code, sentence = (NOT_TAKEN, done.sentence) if done.sentence else remark_of(delivery)
    return Attempt("delivered", code, sentence, len(done.files))


def remark_of(delivery: Json) -> tuple[str, str]:
    """Returns code and sentence of a delivery that was accepted; '' unless it has corrected results."""
    peer = delivery["peer"]
    if not (delivery.get("name") or peer).startswith(f"{peer}{CORRECTION}"):
        return "", ""
    return CORRECTED, f"the corrected results are at {peer}"


def report_to(peer: Peer, delivery: Json, settings: NodeSettings) -> Attempt:
    """Sends the report on a job, or that it is withdrawn, to a receiver of reports."""
    job_id, is_withdrawn = delivery["job_id"], WITHDRAWN_AT in delivery
    paths = [outgoing(each, job_id, settings).path for each in delivery["files"]]
    send_report(paths, job_id, peer, settings, is_withdrawn=is_withdrawn)
    log.info("withdrawn" if is_withdrawn else "reported", job=job_id, peer=peer.name)
    if is_withdrawn:
        return Attempt("delivered", WITHDRAWN, f"its report was withdrawn at {peer.name}", 1)
    return Attempt("delivered", *remark_of(delivery), instances=1)


def send_rejection(delivery: Json, peer: Peer, settings: NodeSettings) -> Attempt:
    """Sends the note that withdraws what a delivery has sent. Raises the error with which it is refused."""
    note = rejection_of(delivery, settings)
    if refused := store([note], peer, settings):
        raise refused[0].error
    if peer.commitment:
        ask([note], peer, settings, transaction_of(delivery))
    log.info("withdrawn", job=delivery["job_id"], peer=peer.name)
    return Attempt("delivered", WITHDRAWN, f"its results were withdrawn at {peer.name}", 1)


def fallbacks(
    peer: Peer, captures: Sequence[Outgoing], kind: FallbackEncoding, segs: Sequence[Outgoing]
) -> list[Outgoing]:
    """Makes fallback encodings of SEGs that a peer refuses, where there are any. Raises OutputError."""
    if kind == "sc":
        return list(captures)
    from operators.dicom.fallback_encodings import (
        write_fallback,
    )  # imports highdicom, which is not needed otherwise

    made = []
    for seg in segs:
        # One file per peer, as deliveries to several peers run at once
        path = seg.path.with_name(f"{peer.name}-{kind}-of-{seg.path.name}")
        try:
            name = write_fallback(kind, seg.path, path)
        except UnsuitableError as error:
            if error.code != NO_FRAME_OF_REFERENCE:
                raise
            log.info("no_fallback", peer=peer.name, kind=kind, code=error.code)
            return []
        names = (name.sop_class_uid, name.sop_instance_uid, name.transfer_syntax_uid)
        made.append(Outgoing(path, *names, kind))
    return made


def store(files: Sequence[Outgoing], peer: Peer, settings: NodeSettings) -> list[Refused]:
    """Stores files by STOW-RS or C-STORE, and returns those refused for good. Raises TransientError."""
    protocol = stow_destination if peer.stow else c_store
    return protocol.store(files, peer, settings)


def confirm(delivery: Json, settings: NodeSettings) -> Attempt:
    """Checks whether the peer has committed to what it was sent, if it is configured for commitment."""

    def look() -> Attempt:
        peer = destination(delivery["peer"], settings)
        if peer.commitment and delivery["files"]:
            require_committed(peer, settings, transaction_of(delivery))
        return Attempt("delivered")

    return named(delivery["job_id"], delivery["peer"], look)


def report(owed: Json, settings: NodeSettings, inbox: Inbox) -> Attempt:
    """Attempts once to send a peer the storage commitment report that it requested."""

    def tell() -> Attempt:
        peer = next((peer for peer in settings.sources if peer.name == owed["peer"] and peer.host), None)
        if peer is None:
            raise OutputError("expected the peer in the settings, it was removed", code="no_destination")
        report_owed(owed, peer, settings, inbox)
        return Attempt("delivered")

    return named(owed["transaction_uid"], owed["peer"], tell)


def notify(notice: Json, settings: NodeSettings) -> Attempt:
    """Attempts once to send a notice to `notice_url`."""
    return named(notice["job_id"], "notice_url", lambda: post(notice, settings))


def named(job: str, peer: str, step: Callable[[], Attempt]) -> Attempt:
    """Runs a step of a delivery and turns every error into an outcome."""
    try:
        return step()
    except Exception as error:
        known = as_osteon_error(error)
        if isinstance(known, TransientError | UnwritableError):
            log.warning("delivery_postponed", job=job, peer=peer, code=known.code)
            return Attempt("transient", known.code, str(known))
        if known is not None:
            log.error("delivery_failed", job=job, peer=peer, code=known.code)
            return Attempt("failed", known.code, str(known))
        log.error("delivery_failed", job=job, peer=peer, **defect_values(error))
        return Attempt("failed", OsteonError.code, DEFECT)


def destination(name: str, settings: NodeSettings) -> Peer:
    """Returns a destination from the current settings. Raises OutputError if it is no longer there."""
    for peer in settings.destinations:
        if peer.name == name:
            return peer
    raise OutputError(f"expected a destination {name} in the settings, there is none", code="no_destination")


def outgoing(file: Json, job_id: str, settings: NodeSettings) -> Outgoing:
    """Returns a result that has not changed since it was verified. Raises OutputError."""
    path = job_folder(settings.data, job_id).output / file["file"]
    if not path.is_file() or sha256_of(path) != file["sha256"]:
        raise OutputError("expected the result as it was verified, it is missing or altered", code="altered")
    names = (file["sop_class_uid"], file["sop_instance_uid"], file["transfer_syntax_uid"])
    return Outgoing(path, *names, file["kind"])
