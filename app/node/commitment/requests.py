"""Storage commitment of delivered results: asks destinations for it, and waits for their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.node.commitment.commitment import IMPLICIT, PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, SUCCESS
from app.node.commitment.transactions import Transaction, open_transaction, read_transaction
from app.node.peers.destination import Outgoing, end, open_association
from app.node.queue.job import Json
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.printable import counted
from operators.dicom.commitment import Commitment, Named, reason_text, request_of
from operators.errors import OutputError, TransientError

# PS3.3 C.14.1.1: processing failure, no such instance (yet), duplicate transaction UID, resource limitation
PASSING = frozenset((0x0110, 0x0112, 0x0131, 0x0213))


def transaction_of(delivery: Json) -> str:
    """Returns the prefix of a delivery's transaction UIDs, the same for the same delivery."""
    # Imports highdicom, which the listener does not need
    from operators.dicom.provenance.identity import derived_uid

    return str(derived_uid("commitment", delivery["job_id"], delivery.get("name") or delivery["peer"]))


def ask(files: Sequence[Outgoing], peer: Peer, settings: NodeSettings, delivery_uid: str) -> None:
    """Requests commitment as a new attempt. Raises TransientError, or OutputError if it is not offered."""
    named = [Named(file.sop_class_uid, file.sop_instance_uid) for file in files]
    request(open_transaction(settings.data, delivery_uid, peer.name, named), peer, settings)


def request(transaction: Transaction, peer: Peer, settings: NodeSettings) -> None:
    """Sends the N-ACTION of a transaction. Raises TransientError or OutputError."""
    association = open_association(peer, settings, [(PUSH_MODEL, IMPLICIT)])
    try:
        information = request_of(Commitment(transaction.uid, transaction.asked))
        answer: Any = association.send_n_action(information, REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)[0]
        if "Status" not in answer or answer.Status != SUCCESS:
            got = f"status 0x{answer.Status:04X}" if "Status" in answer else "no answer"
            raise TransientError(
                f"expected {peer.name} to accept a commitment request, got {got}", code="no_commitment"
            )
    except RuntimeError as error:  # the peer ended the association before
        raise TransientError(f"expected {peer.name} to keep the association", code="aborted") from error
    finally:
        end(association)


def require_committed(peer: Peer, settings: NodeSettings, delivery_uid: str) -> None:
    """Raises TransientError until everything is answered, OutputError if the peer did not commit.

    If all failures may pass, commitment is requested again for all instances.
    """
    transaction = read_transaction(settings.data, delivery_uid)
    if transaction is None:
        raise TransientError(f"expected {peer.name} to commit to the result, none yet", code="uncommitted")
    if transaction.is_committed:
        return
    text = sentence_of(transaction, peer)
    if not all(reason in PASSING for reason in transaction.failed.values()):
        raise OutputError(text, code="not_committed")
    if not transaction.open_uids:
        request(open_transaction(settings.data, delivery_uid, peer.name, transaction.asked), peer, settings)
        text += "; requested again"
    raise TransientError(text, code="uncommitted")


def sentence_of(transaction: Transaction, peer: Peer) -> str:
    """Returns a sentence about how many instances were committed, failed or not answered."""
    reasons = Counter(map(reason_text, transaction.failed.values()))
    found = [f"{len(transaction.committed - set(transaction.failed))} committed"]
    found += [f"{count} failed ({reason})" for reason, count in reasons.items()]
    found += [f"{len(transaction.open_uids)} not answered"] if transaction.open_uids else []
    asked = len(transaction.asked)
    return f"expected {peer.name} to commit to {counted(asked, 'instance')}, got {', '.join(found)}"
