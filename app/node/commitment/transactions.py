"""Stores this node's storage commitment requests and their answers as files.

commitments/<delivery>.json          the latest request of a delivery; written by the sender only
commitments/<delivery>.answer.json   the answers to it so far; written by the listener only

A transaction UID consists of the delivery's UID, a full stop and the number of the attempt, so that a report
on an earlier attempt is recognised and ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.node.storage.json_file import read_json, write_json
from operators.dicom.commitment import Commitment, Named

REQUEST, ANSWER = ".json", ".answer.json"


@dataclass(frozen=True)
class Transaction:
    """One request to one peer, with the answers about the instances that it asked for."""

    uid: str
    attempt: int
    peer: str
    asked: tuple[Named, ...]
    committed: frozenset[str] = frozenset()
    # Reasons (0008,1197) by SOP instance UID
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def open_uids(self) -> list[str]:
        """Returns the instances without an answer."""
        uids = (named.sop_instance_uid for named in self.asked)
        return [uid for uid in uids if uid not in self.committed and uid not in self.failed]

    @property
    def is_committed(self) -> bool:
        """Returns whether the peer has committed to all instances, none of which has failed."""
        return not self.open_uids and not self.failed

    def answered(self, report: Commitment) -> Transaction:
        """Returns the transaction with one more report, which may cover only some instances."""
        asked = {named.sop_instance_uid for named in self.asked}
        committed = {named.sop_instance_uid for named in report.instances} & asked
        failed = {each.named.sop_instance_uid: each.reason for each in report.failed}
        return replace(
            self,
            committed=self.committed | committed,
            failed=self.failed | {uid: reason for uid, reason in failed.items() if uid in asked},
        )


def path_of(data: Path, delivery_uid: str, suffix: str) -> Path:
    """Returns the path of a request or of its answers; the UID must be validated."""
    return data / "commitments" / f"{delivery_uid}{suffix}"


def open_transaction(data: Path, delivery_uid: str, peer: str, asked: Sequence[Named]) -> Transaction:
    """Creates the next attempt, which is durable before anything is requested. Raises UnwritableError."""
    path = path_of(data, delivery_uid, REQUEST)
    attempt = 1 + int(_content(path).get("attempt", 0))
    transaction = Transaction(f"{delivery_uid}.{attempt}", attempt, peer, tuple(asked))
    names = [[named.sop_class_uid, named.sop_instance_uid] for named in asked]
    write_json(path, {"transaction_uid": transaction.uid, "attempt": attempt, "peer": peer, "asked": names})
    return transaction


def read_transaction(data: Path, delivery_uid: str) -> Transaction | None:
    """Returns the latest request of a delivery with its answers, or None if there was no request."""
    request = _content(path_of(data, delivery_uid, REQUEST))
    if "asked" not in request:  # also for requests of the first version, which stored no names
        return None
    asked = tuple(Named(*names) for names in request["asked"])
    transaction = Transaction(request["transaction_uid"], request["attempt"], request["peer"], asked)
    answer = _content(path_of(data, delivery_uid, ANSWER))
    if answer.get("transaction_uid") != transaction.uid:
        return transaction
    return replace(transaction, committed=frozenset(answer["committed"]), failed=answer["failed"])


def find_transaction(data: Path, transaction_uid: str) -> Transaction | None:
    """Returns the transaction with this UID, or None if it is unknown or an earlier attempt."""
    found = read_transaction(data, delivery_of(transaction_uid))
    return found if found is not None and found.uid == transaction_uid else None


def keep_answer(data: Path, transaction: Transaction) -> None:
    """Stores the answers to a transaction durably. Raises UnwritableError."""
    content = {
        "transaction_uid": transaction.uid,
        "committed": sorted(transaction.committed),
        "failed": transaction.failed,
    }
    write_json(path_of(data, delivery_of(transaction.uid), ANSWER), content)


def forget_transaction(data: Path, delivery_uid: str) -> None:
    """Removes the request and the answers of a delivery."""
    for suffix in (REQUEST, ANSWER):
        path_of(data, delivery_uid, suffix).unlink(missing_ok=True)


def delivery_of(transaction_uid: str) -> str:
    """Returns the UID of a transaction's delivery."""
    return transaction_uid.rpartition(".")[0]


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
