"""Delivers a job's results to one destination."""

from __future__ import annotations

import traceback

import structlog

from app.node.configuration import NodeSettings, Peer
from app.node.destination import Outgoing, store
from app.node.job import Json, job_folder
from app.node.segmenting import sha256_of
from app.node.workflow import Attempt
from operators.errors import OsteonError, OutputError, TransientError

log = structlog.get_logger()


def attempt(delivery: Json, settings: NodeSettings) -> Attempt:
    """One try, and what became of it; the edge of a delivery."""
    try:
        peer = destination(delivery["peer"], settings)
        files = [outgoing(each, delivery["job_id"], settings) for each in delivery["files"]]
        store(files, peer, settings)
    except TransientError as error:
        log.warning("delivery_postponed", job=delivery["job_id"], peer=delivery["peer"], code=error.code)
        return Attempt("transient", error.code, str(error))
    except OsteonError as error:
        log.error("delivery_failed", job=delivery["job_id"], peer=delivery["peer"], code=error.code)
        return Attempt("failed", error.code, str(error))
    except Exception:
        log.error("delivery_failed", job=delivery["job_id"], traceback=traceback.format_exc())
        return Attempt("failed", "defect", "a defect of Osteon's own; the log has the traceback")
    log.info("delivered", job=delivery["job_id"], peer=peer.name, instances=len(files))
    return Attempt("delivered")


def destination(name: str, settings: NodeSettings) -> Peer:
    """The peer as it is set today. Raises OutputError where it is no longer there."""
    for peer in settings.destinations:
        if peer.name == name:
            return peer
    raise OutputError(f"expected a destination {name} in the settings, there is none", code="no_destination")


def outgoing(file: Json, job_id: str, settings: NodeSettings) -> Outgoing:
    """A result that is still what was verified. Raises OutputError."""
    path = job_folder(settings.data, job_id).output / file["file"]
    if not path.is_file() or sha256_of(path) != file["sha256"]:
        raise OutputError("expected the result as it was verified, it is gone or altered", code="altered")
    return Outgoing(path, file["sop_class_uid"], file["sop_instance_uid"], file["transfer_syntax_uid"])
