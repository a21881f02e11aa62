"""Data sets of the Storage Commitment Push Model (PS3.4 J.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from operators.dicom.attributes import is_uid, items, text
from operators.dicom.element_walk import Encoding, require_few_elements
from operators.dicom.headers import READ_ERRORS
from operators.errors import UnreadableError

# With their items: 50,000 instances
MAXIMUM_ELEMENTS = 250_000
# PS3.3 C.14.1.1
NO_SUCH_INSTANCE = 0x0112


@dataclass(frozen=True)
class Named:
    """An instance by its SOP class and its own UID."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Commitment:
    """A request, or its answer: then `missing` are those that nobody is responsible for."""

    transaction_uid: str
    instances: tuple[Named, ...]
    missing: tuple[Named, ...] = ()


def decoded_commitment(content: bytes, encoding: Encoding) -> Commitment:
    """Of an encoded data set, if that has few enough elements to be decoded. Raises UnreadableError."""
    require_few_elements(content, encoding, MAXIMUM_ELEMENTS)
    try:
        dataset = read_dataset(BytesIO(content), not encoding.explicit, not encoding.big_endian)
    except READ_ERRORS as error:
        raise UnreadableError("expected a readable data set, got a damaged one") from error
    return read_commitment(dataset)


def read_commitment(dataset: Dataset) -> Commitment:
    """Of a request or a report. Raises UnreadableError for names that are no UIDs."""
    transaction = text((dataset,), "TransactionUID")
    named = _names(items(dataset, "ReferencedSOPSequence"))
    missing = _names(items(dataset, "FailedSOPSequence"))
    uids = [transaction, *(uid for each in (*named, *missing) for uid in vars(each).values())]
    if not all(map(is_uid, uids)):
        raise UnreadableError("expected UIDs in a storage commitment, got others", code="invalid_uid")
    return Commitment(transaction, named, missing)


def request_of(commitment: Commitment) -> Dataset:
    """Action information of N-ACTION."""
    dataset = Dataset()
    dataset.TransactionUID = commitment.transaction_uid
    dataset.ReferencedSOPSequence = [_item(each) for each in commitment.instances]
    return dataset


def report_of(commitment: Commitment) -> Dataset:
    """Event information of N-EVENT-REPORT."""
    dataset = Dataset()
    dataset.TransactionUID = commitment.transaction_uid
    if commitment.instances:
        dataset.ReferencedSOPSequence = [_item(each) for each in commitment.instances]
    if commitment.missing:
        dataset.FailedSOPSequence = [_item(each) for each in commitment.missing]
        for item in dataset.FailedSOPSequence:
            item.FailureReason = NO_SUCH_INSTANCE
    return dataset


def _names(found: Iterable[Dataset]) -> tuple[Named, ...]:
    return tuple(
        Named(text((item,), "ReferencedSOPClassUID"), text((item,), "ReferencedSOPInstanceUID"))
        for item in found
    )


def _item(named: Named) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = named.sop_class_uid
    item.ReferencedSOPInstanceUID = named.sop_instance_uid
    return item


def sorted_by_presence(request: Commitment, present: Sequence[bool]) -> Commitment:
    """The answer to a request, instance by instance."""
    pairs = list(zip(request.instances, present, strict=True))
    return Commitment(
        request.transaction_uid,
        tuple(named for named, here in pairs if here),
        tuple(named for named, here in pairs if not here),
    )
