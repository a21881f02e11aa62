"""Checks an A-ASSOCIATE-RQ (PS3.8 9.3.2) before a library decodes it: its AE titles and its size.

The titles are at fixed offsets in the first 74 bytes; the items that follow are counted in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from operators.errors import UnreadableError

# PDU header, protocol version, reserved, two titles, reserved; offsets of the titles
HEAD_BYTES, CALLED_AT, CALLING_AT, TITLE_BYTES = 74, 10, 26, 16
# PS3.8 9.3.2.2 and 9.3.2.3, PS3.7 D.3.3.6: presentation context, user information, common extension
CONTEXT, USER_INFORMATION, COMMON_EXTENDED = 0x20, 0x50, 0x57
ITEM_HEAD_BYTES, CONTEXT_HEAD_BYTES = 4, 4
PADDING = " \0"
# Context IDs are the odd numbers of one byte (PS3.8 9.3.2.2).
MAXIMUM_CONTEXTS = 128
# Limit of all nested items: 128 contexts with 30 transfer syntaxes each, or 0.1 s of decoding.
MAXIMUM_ITEMS = 4096
MAXIMUM_REQUEST_BYTES = 1 << 18
# Common extended negotiation lists UIDs outside of items; each counts as an item.
LISTED_UID_BYTES = 8


@dataclass(frozen=True)
class AssociationRequest:
    """The AE titles and the address of a request; the titles are unpadded, but not validated."""

    called_ae: str
    calling_ae: str
    address: str


def request_of(head: bytes, address: str) -> AssociationRequest:
    """Parses the first HEAD_BYTES of the PDU; titles are padded with spaces, or with NUL by old devices."""
    called, calling = (
        head[at : at + TITLE_BYTES].decode("latin-1").strip(PADDING) for at in (CALLED_AT, CALLING_AT)
    )
    return AssociationRequest(called, calling, address)


def with_spaces(pdu: bytes | bytearray) -> bytes:
    """Returns the PDU with titles padded as the standard requires."""
    request = request_of(bytes(pdu[:HEAD_BYTES]), "")
    titles = (each.encode("latin-1").ljust(TITLE_BYTES) for each in (request.called_ae, request.calling_ae))
    return bytes(pdu[:CALLED_AT]) + b"".join(titles) + bytes(pdu[CALLED_AT + 2 * TITLE_BYTES :])


def require_bounded(pdu: bytes) -> None:
    """Raises UnreadableError for a request that is malformed, or larger than any legitimate one."""
    contexts = users = count = 0
    for kind, start, end in _items(pdu, HEAD_BYTES, len(pdu)):
        contexts, users = contexts + (kind == CONTEXT), users + (kind == USER_INFORMATION)
        count += 1
        if kind in (CONTEXT, USER_INFORMATION):
            inner = start + CONTEXT_HEAD_BYTES * (kind == CONTEXT)
            count += sum(_weight(*each) for each in _items(pdu, inner, end))
        if contexts > MAXIMUM_CONTEXTS or users > 1 or count > MAXIMUM_ITEMS:
            raise UnreadableError(
                f"expected at most {MAXIMUM_CONTEXTS} presentation contexts, one user information item and "
                f"{MAXIMUM_ITEMS} items in all, got more",
                code="request_too_large",
            )


def _weight(kind: int, start: int, end: int) -> int:
    return 1 + (end - start) // LISTED_UID_BYTES if kind == COMMON_EXTENDED else 1


def _items(content: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yields kind, start and end of each item's value between two offsets. Raises UnreadableError."""
    while at < stop:
        start = at + ITEM_HEAD_BYTES
        end = start + int.from_bytes(content[at + 2 : start], "big")
        if start > stop or end > stop:
            raise UnreadableError(
                "expected an association request of complete items, got a wrong length", code="malformed"
            )
        yield content[at], start, end
        at = end
