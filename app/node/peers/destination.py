"""Sends files to one peer by C-STORE, and opens associations with peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any

from pynetdicom import _config
from pynetdicom.association import Association

from app.node.peers.requestor import SMALLEST_SENT_BYTES, Requestor
from app.node.peers.requestor_socket import MAXIMUM_PDU_BYTES
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.settings.tls import client_context
from operators.errors import OutputError, TransientError

VERIFICATION = "1.2.840.10008.1.1"
# PS3.4 B.2.3 and PS3.7 C: success, warnings with which the instance was stored, and a duplicate, as an
# instance with this node's UID is one that it sent before
STORED = frozenset({0x0000, 0xB000, 0xB006, 0xB007, 0x0111})
# Failures that may pass: out of resources, resource limitation, processing failure
PASSING = (range(0xA700, 0xA800), range(0x0213, 0x0214), range(0x0110, 0x0111))
# PS3.7 9.3.1: message IDs are 16 bits
LARGEST_ID = 0xFFFF
# PS3.8 9.3.4, source and reason of a rejection; all reasons of the source "service provider (presentation)"
CALLING_UNKNOWN, CALLED_UNKNOWN, BUSY = (1, 3), (1, 7), 3


@dataclass(frozen=True)
class Outgoing:
    """A verified file to send, with the UIDs that are announced to a peer."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    kind: str = ""


@dataclass(frozen=True)
class Refused:
    """A file that a peer refused for good, and why."""

    file: Outgoing
    error: OutputError


def store(files: Sequence[Outgoing], peer: Peer, settings: NodeSettings) -> list[Refused]:
    """Sends all files in one association; returns those refused for good. Raises TransientError."""
    _config.STORE_SEND_CHUNKED_DATASET = True
    contexts = sorted({(file.sop_class_uid, file.transfer_syntax_uid) for file in files})
    try:
        association = open_association(peer, settings, contexts)
    except OutputError as error:
        return [Refused(file, error) for file in files]
    refused = []
    try:
        for number, file in enumerate(files):
            try:
                require_context(association, file, peer)
                store_one(association, file, peer, 1 + number % LARGEST_ID)
            except OutputError as error:
                refused.append(Refused(file, error))
    finally:
        end(association)
    return refused


def echo(peer: Peer, settings: NodeSettings) -> None:
    """Raises TransientError if the peer does not answer a C-ECHO."""
    association = open_association(peer, settings, [(VERIFICATION, "1.2.840.10008.1.2")])
    try:
        answer = association.send_c_echo()
        if "Status" not in answer or answer.Status != 0:
            raise TransientError(f"expected {peer.name} to answer C-ECHO, got none", code="no_answer")
    finally:
        end(association)


def open_association(peer: Peer, settings: NodeSettings, contexts: Sequence[tuple[str, str]]) -> Association:
    """Opens an association. Raises TransientError, or OutputError if the peer refuses all contexts."""
    entity = Requestor(settings.ae_title, settings.network_s)
    for sop_class_uid, transfer_syntax_uid in contexts:
        entity.add_requested_context(sop_class_uid, transfer_syntax_uid)
    association = request_transfer(entity, peer, settings)
    if association.is_established:
        return association
    if association.rejected_contexts:
        raise no_context(peer, contexts[0])
    if association.is_rejected:
        answer = association.acceptor.primitive
        source, diagnostic = (answer.result_source, answer.diagnostic) if answer else (None, None)
        raise TransientError(
            f"expected {peer.name} to accept an association of {settings.ae_title}, it was rejected "
            f"(source {source}, reason {diagnostic}): "
            f"{rejection_hint((source, diagnostic), peer, settings)}",
            code="association_rejected",
        )
    raise unreachable(peer)


def request_transfer(
    entity: Requestor, peer: Peer, settings: NodeSettings, ext_neg: Sequence[Any] = ()
) -> Association:
    """Requests an association and returns it. Raises TransientError for a name without an address."""
    try:
        association = entity.associate(
            peer.host,
            peer.port,
            ae_title=peer.ae_title,
            max_pdu=MAXIMUM_PDU_BYTES,
            ext_neg=list(ext_neg),
            tls_args=tls_of(peer, settings),
        )
    except OSError as error:
        raise unreachable(peer) from error
    largest = association.acceptor.maximum_length if association.is_established else 0
    if 0 < (largest or 0) < SMALLEST_SENT_BYTES:
        end(association)
        raise TransientError(
            f"expected {peer.name} to accept PDUs of at least {SMALLEST_SENT_BYTES} bytes, got {largest}",
            code="small_pdu",
        )
    return association


def unreachable(peer: Peer) -> TransientError:
    """Returns the error for a peer that does not answer by DICOM, or by TLS if that is set."""
    expected = "answer by TLS, got no agreement" if peer.tls else "answer, got none"
    return TransientError(
        f"expected {peer.name} at {peer.host}:{peer.port} to {expected}: is it running there?",
        code="unreachable",
    )


def rejection_hint(reason: tuple[int | None, int | None], peer: Peer, settings: NodeSettings) -> str:
    """Returns what to check after a rejection (PS3.8 9.3.4), naming both AE titles."""
    ours, theirs = settings.ae_title, peer.ae_title
    if reason == CALLING_UNKNOWN:
        return f"it does not know {ours}, this node's AE title (setting ae_title): enter it in {peer.name}"
    if reason == CALLED_UNKNOWN:
        return f"its AE title is not {theirs}: correct ae_title of the peer {peer.name} here"
    if reason[0] == BUSY:
        return "it is busy, or accepts no more associations"
    return f"does it know {ours}, this node's AE title, and is its own {theirs}?"


def tls_of(peer: Peer, settings: NodeSettings) -> tuple[SSLContext, str] | None:
    """Returns the TLS context for the peer, or None without TLS. Raises UsageError without certificates."""
    return (client_context(peer, settings), peer.host) if peer.tls else None


def require_context(association: Association, file: Outgoing, peer: Peer) -> None:
    """Raises OutputError if the peer has not accepted the file's SOP class and transfer syntax."""
    accepted = {(cx.abstract_syntax, cx.transfer_syntax[0]) for cx in association.accepted_contexts}
    if (file.sop_class_uid, file.transfer_syntax_uid) not in accepted:
        raise no_context(peer, (file.sop_class_uid, file.transfer_syntax_uid))


def no_context(peer: Peer, wanted: tuple[str, str]) -> OutputError:
    """Returns the error for objects that the peer does not accept, which a retry would not change."""
    return OutputError(
        f"expected {peer.name} to accept SOP class {wanted[0]} in transfer syntax {wanted[1]}, it does not; "
        "its setting `results` says what is sent to it",
        code="no_presentation_context",
    )


def store_one(association: Association, file: Outgoing, peer: Peer, message_id: int) -> None:
    """Sends one file by C-STORE. Raises TransientError or OutputError unless it was stored."""
    try:
        answer = association.send_c_store(file.path, message_id)
    except RuntimeError as error:  # the peer ended the association before
        raise TransientError(f"expected {peer.name} to keep the association", code="aborted") from error
    if "Status" not in answer:
        raise TransientError(
            f"expected {peer.name} to receive a file and answer C-STORE within the time limit, it did not",
            code="no_answer",
        )
    require_stored(int(answer.Status), peer)


def require_stored(status: int, peer: Peer) -> None:
    """Raises TransientError or OutputError for a status that says that an instance was not stored."""
    if status in STORED:
        return
    got = f"expected {peer.name} to store the result, got status 0x{status:04X}"
    if any(status in passing for passing in PASSING):
        raise TransientError(got, code="peer_out_of_resources")
    raise OutputError(got, code="peer_refused")


def end(association: Association) -> None:
    """Releases an association if it is still open."""
    if association.is_established:
        association.release()
