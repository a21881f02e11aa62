"""Sends the report on a job to a receiver of reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from app.node.queue.job import job_folder
from app.node.reports.content import ReportContent, read_content
from app.node.reports.fhir_bundle import fhir_bundle
from app.node.reports.fhir_server import look, send_bundle
from app.node.reports.hl7_message import control_id, hl7_message
from app.node.reports.mllp import connect, send_message
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.headers.study_identity import study_identity
from operators.errors import OutputError


def send_report(
    files: Sequence[Path], job_id: str, peer: Peer, settings: NodeSettings, *, is_withdrawn: bool = False
) -> None:
    """Sends the report on a job, or that its results are withdrawn. Raises OutputError or TransientError.

    `files` are the report.json of its series. The patient is read from the job's images.
    """
    assert peer.report is not None
    identity = study_identity(job_folder(settings.data, job_id).input)
    if not identity.patient_id:
        text = f"expected a patient ID in the study, for the report to {peer.name}, got none"
        raise OutputError(text, code="no_patient_id")
    SENDING[peer.report.protocol](read_content(files, job_id, identity, is_withdrawn), peer, settings)


def send_hl7(content: ReportContent, peer: Peer, settings: NodeSettings) -> None:
    """Sends a report by HL7 v2."""
    assert peer.report is not None
    message = hl7_message(content, peer.report, settings.ae_title, datetime.now().astimezone())
    send_message(message, control_id(content), peer, settings)


def send_fhir(content: ReportContent, peer: Peer, settings: NodeSettings) -> None:
    """Sends a report by FHIR."""
    send_bundle(fhir_bundle(content), peer, settings)


def echo(peer: Peer, settings: NodeSettings) -> None:
    """Raises TransientError if the receiver cannot be reached; MLLP has no question without a message."""
    assert peer.report is not None
    if peer.report.protocol == "hl7":
        connect(peer, settings).cut()
    else:
        look(peer, settings)


# By protocol
SENDING: dict[str, Callable[[ReportContent, Peer, NodeSettings], None]] = {"hl7": send_hl7, "fhir": send_fhir}
