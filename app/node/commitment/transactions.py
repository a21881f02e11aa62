"""Storage commitment that this node asks for: what was asked, and what has been answered, as files.

commitments/<delivery>.json          the latest request of a delivery; written by the sender only
commitments/<delivery>.answer.json   what was answered to it so far; written by the listener only

A transaction UID is the delivery's, a full stop, and the number of the attempt: what is said of an earlier
attempt is known by it, and has no say any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.node.storage.json_file import read_json, write_json
from operators.dicom.commitment import Commitment, Named


@dataclass(frozen=True)
class Transaction:
    """One request to one peer; of what was answered only instances that were asked for count."""

    uid: str
    attempt: int
    peer: str
    asked: tuple[Named, ...]
    committed: frozenset[str] = frozenset()
    # Reasons (0008,1197) by SOP instance UID
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def open_uids(self) -> list[str]:
        """Instances of which nothing has been said."""
        uids = (named.sop_instance_uid for named in self.asked)
        return [uid for uid in uids if uid not in self.committed and uid not in self.failed]

    @property
    def is_committed(self) -> bool:
        """Whether the peer is responsible for each instance; one that failed too is none."""
        return not self.open_uids and not self.failed

    def answered(self, report: Commitment) -> Transaction:
        """With one more report, which may be about a part of the instances."""
        asked = {named.sop_instance_uid for named in self.asked}
        committed = {named.sop_instance_uid for named in report.instances} & asked
        failed = {each.named.sop_instance_uid: each.reason for each in report.failed}
        return replace(
            self,
            committed=self.committed | committed,
            failed=self.failed | {uid: reason for uid, reason in failed.items() if uid in asked},
        )


def request_path(data: Path, delivery_uid: str) -> Path:
    """Where the sender leaves a request for the listener; the UID is a checked one."""
    return data / "commitments" / f"{delivery_uid}.json"


def answer_path(data: Path, delivery_uid: str) -> Path:
    """Where the listener leaves an answer for the sender."""
    return data / "commitments" / f"{delivery_uid}.answer.json"


def open_transaction(data: Path, delivery_uid: str, peer: str, asked: Sequence[Named]) -> Transaction:
    """The next attempt, durable before anything is asked. Raises UnwritableError."""
    path = request_path(data, delivery_uid)
    attempt = 1 + int(_content(path).get("attempt", 0))
    transaction = Transaction(f"{delivery_uid}.{attempt}", attempt, peer, tuple(asked))
    names = [[named.sop_class_uid, named.sop_instance_uid] for named in asked]
    write_json(path, {"transaction_uid": transaction.uid, "attempt": attempt, "peer": peer, "asked": names})
    return transaction


def read_transaction(data: Path, delivery_uid: str) -> Transaction | None:
    """The latest request of a delivery with all that was answered; None where nothing was asked."""
    request = _content(request_path(data, delivery_uid))
    if "asked" not in request:  # also of the first version, which kept no names
        return None
    asked = tuple(Named(*names) for names in request["asked"])
    transaction = Transaction(request["transaction_uid"], request["attempt"], request["peer"], asked)
    answer = _content(answer_path(data, delivery_uid))
    if answer.get("transaction_uid") != transaction.uid:
        return transaction
    return replace(transaction, committed=frozenset(answer["committed"]), failed=answer["failed"])


def find_transaction(data: Path, transaction_uid: str) -> Transaction | None:
    """By the UID that a report names; None for one that is unknown, or of an earlier attempt."""
    found = read_transaction(data, delivery_of(transaction_uid))
    return found if found is not None and found.uid == transaction_uid else None


def keep_answer(data: Path, transaction: Transaction) -> None:
    """Durable when this returns. Raises UnwritableError."""
    content = {
        "transaction_uid": transaction.uid,
        "committed": sorted(transaction.committed),
        "failed": transaction.failed,
    }
    write_json(answer_path(data, delivery_of(transaction.uid)), content)


def forget_transaction(data: Path, delivery_uid: str) -> None:
    """Removes what is known of a delivery."""
    for path in (request_path(data, delivery_uid), answer_path(data, delivery_uid)):
        path.unlink(missing_ok=True)


def delivery_of(transaction_uid: str) -> str:
    """The UID of the delivery that a transaction is of."""
    return transaction_uid.rpartition(".")[0]


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        return {}
