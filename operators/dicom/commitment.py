"""Data sets of the Storage Commitment Push Model (PS3.4 J.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from operators.dicom.elements.attributes import is_uid, items, text, whole
from operators.dicom.elements.element_walk import Encoding, require_few_elements
from operators.dicom.headers.headers import READ_ERRORS
from operators.errors import UnreadableError

# Enough for 50,000 instances with their items
MAXIMUM_ELEMENTS = 250_000
# PS3.3 C.14.1.1; 0 means that no reason was given
NO_SUCH_INSTANCE, CLASS_CONFLICT = 0x0112, 0x0119
REASONS = {
    0x0110: "processing failure", 0x0112: "no such object instance", 0x0119: "class-instance conflict",
    0x0122: "SOP class not supported", 0x0131: "duplicate transaction UID", 0x0213: "resource limitation",
}  # fmt: skip


@dataclass(frozen=True)
class Named:
    """An instance, identified by its SOP class and SOP instance UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class FailedInstance:
    """An instance whose storage was not committed, and the failure reason (0008,1197)."""

    named: Named
    reason: int


@dataclass(frozen=True)
class Commitment:
    """A storage commitment request, or the report on it: which instances were committed, and which not."""

    transaction_uid: str
    instances: tuple[Named, ...]
    failed: tuple[FailedInstance, ...] = ()


def decoded_commitment(content: bytes, encoding: Encoding) -> Commitment:
    """Decodes a data set that has few enough elements. Raises UnreadableError."""
    require_few_elements(content, encoding, MAXIMUM_ELEMENTS)
    try:
        dataset = read_dataset(BytesIO(content), not encoding.explicit, not encoding.big_endian)
    except READ_ERRORS as error:
        raise UnreadableError("expected a readable data set, got a damaged one") from error
    return read_commitment(dataset)


def read_commitment(dataset: Dataset) -> Commitment:
    """Reads a request or a report. Raises UnreadableError if a name is not a UID."""
    transaction = text((dataset,), "TransactionUID")
    named = _names(items(dataset, "ReferencedSOPSequence"))
    failed = items(dataset, "FailedSOPSequence")
    failures = tuple(map(FailedInstance, _names(failed), map(_reason, failed)))
    uids = [uid for each in (*named, *(each.named for each in failures)) for uid in vars(each).values()]
    if not all(map(is_uid, [transaction, *uids])):
        raise UnreadableError(
            "expected valid UIDs in a storage commitment, got malformed ones", code="invalid_uid"
        )
    return Commitment(transaction, named, failures)


def request_of(commitment: Commitment) -> Dataset:
    """Returns the action information of an N-ACTION request."""
    dataset = Dataset()
    dataset.TransactionUID = commitment.transaction_uid
    dataset.ReferencedSOPSequence = [_item(each) for each in commitment.instances]
    return dataset


def report_of(commitment: Commitment) -> Dataset:
    """Returns the event information of an N-EVENT-REPORT."""
    dataset = Dataset()
    dataset.TransactionUID = commitment.transaction_uid
    if commitment.instances:
        dataset.ReferencedSOPSequence = [_item(each) for each in commitment.instances]
    if commitment.failed:
        dataset.FailedSOPSequence = [_item(each.named) for each in commitment.failed]
        for item, each in zip(dataset.FailedSOPSequence, commitment.failed, strict=True):
            item.FailureReason = each.reason
    return dataset


def _names(found: Iterable[Dataset]) -> tuple[Named, ...]:
    return tuple(
        Named(text((item,), "ReferencedSOPClassUID"), text((item,), "ReferencedSOPInstanceUID"))
        for item in found
    )


def _reason(item: Dataset) -> int:
    """Returns the failure reason, 0 if it is missing or unreadable."""
    try:
        return whole((item,), "FailureReason", 0) or 0
    except UnreadableError:
        return 0


def reason_text(reason: int) -> str:
    """Returns a failure reason in words, with its code."""
    return f"{reason:04X}H {REASONS.get(reason, 'unknown failure reason')}" if reason else "no reason given"


def _item(named: Named) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = named.sop_class_uid
    item.ReferencedSOPInstanceUID = named.sop_instance_uid
    return item


def answer_of(request: Commitment, held: Mapping[str, Collection[str]]) -> Commitment:
    """Returns the report on a request; `held` maps SOP instance UIDs to the SOP classes stored here."""
    failures = tuple(
        FailedInstance(named, CLASS_CONFLICT if held.get(named.sop_instance_uid) else NO_SUCH_INSTANCE)
        for named in request.instances
        if named.sop_class_uid not in held.get(named.sop_instance_uid, ())
    )
    gone = {each.named for each in failures}
    return Commitment(
        request.transaction_uid, tuple(each for each in request.instances if each not in gone), failures
    )
