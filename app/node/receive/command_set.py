"""Command sets of C-STORE (PS3.7 6.3.1, 9.3.1): implicit VR little endian, tag, length, value.

pynetdicom's own code, which uses data sets, takes longer than the rest of receiving a slice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from operators.errors import UnreadableError

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
NO_DATA_SET = 0x0101
SOP_CLASS, FIELD, MESSAGE_ID, RESPONDED_ID = 0x0002, 0x0100, 0x0110, 0x0120
DATA_SET_TYPE, STATUS, SOP_INSTANCE = 0x0800, 0x0900, 0x1000
_HEAD = struct.Struct("<HHI")


@dataclass(frozen=True)
class StoreRequest:
    """The fields of a C-STORE-RQ; the UIDs are not validated yet."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str


def parsed(content: bytes) -> dict[int, bytes]:
    """Returns the values of a command set by element number. Raises UnreadableError if it is invalid."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        if at + _HEAD.size > len(content):
            raise UnreadableError("expected a complete command set, got a part")
        group, element, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if group != 0 or at + length > len(content):
            raise UnreadableError("expected elements of group 0000, got something else")
        found[element] = content[at : at + length]
        at += length
    return found


def store_request(command: dict[int, bytes]) -> StoreRequest | None:
    """Returns the C-STORE request of a command, or None for another message. Raises UnreadableError."""
    if _number(command, FIELD) != C_STORE_RQ:
        return None
    if _number(command, DATA_SET_TYPE) == NO_DATA_SET:
        raise UnreadableError("expected a C-STORE with a data set, got one without")
    return StoreRequest(_number(command, MESSAGE_ID), _uid(command, SOP_CLASS), _uid(command, SOP_INSTANCE))


def store_response(request: StoreRequest, status: int, *, with_uids: bool) -> bytes:
    """Returns a C-STORE-RSP; `with_uids` is False if the UIDs of the request are invalid."""
    elements = [
        _element(FIELD, struct.pack("<H", C_STORE_RSP)),
        _element(RESPONDED_ID, struct.pack("<H", request.message_id)),
        _element(DATA_SET_TYPE, struct.pack("<H", NO_DATA_SET)),
        _element(STATUS, struct.pack("<H", status)),
    ]
    if with_uids:
        elements.insert(0, _element(SOP_CLASS, _padded(request.sop_class_uid)))
        elements.append(_element(SOP_INSTANCE, _padded(request.sop_instance_uid)))
    content = b"".join(elements)
    return _element(0, struct.pack("<I", len(content))) + content


def _element(number: int, value: bytes) -> bytes:
    return _HEAD.pack(0, number, len(value)) + value


def _padded(uid: str) -> bytes:
    content = uid.encode("ascii")
    return content + b"\0" * (len(content) % 2)


def _number(command: dict[int, bytes], element: int) -> int:
    value = command.get(element, b"")
    if len(value) != 2:
        raise UnreadableError("expected a number of two bytes in the command set, got something else")
    return int.from_bytes(value, "little")


def _uid(command: dict[int, bytes], element: int) -> str:
    return command.get(element, b"").decode("ascii", "replace").rstrip("\0")
