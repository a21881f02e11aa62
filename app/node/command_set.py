"""Command sets of C-STORE (PS3.7 9.3.1), read and written directly: there are two for every instance."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from operators.errors import UnreadableError

# PS3.7 E.1: elements of group 0000, and their values
GROUP_LENGTH, SOP_CLASS_UID, COMMAND_FIELD, MESSAGE_ID, RESPONDED_TO = 0x0000, 0x0002, 0x0100, 0x0110, 0x0120
DATA_SET_TYPE, STATUS, SOP_INSTANCE_UID = 0x0800, 0x0900, 0x1000
C_STORE_RQ, C_STORE_RSP, NO_DATA_SET = 0x0001, 0x8001, 0x0101
HEADER = struct.Struct("<HHL")


@dataclass(frozen=True)
class StoreRequest:
    """What a C-STORE request says; nothing of it is checked."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str


def store_request(content: bytes) -> StoreRequest | None:
    """None for another command. Raises UnreadableError for what is no command set."""
    elements = dict(_elements(content))
    if _number(elements, COMMAND_FIELD) != C_STORE_RQ:
        return None
    if _number(elements, DATA_SET_TYPE) == NO_DATA_SET:
        raise UnreadableError("expected a C-STORE with a data set, got one without")
    return StoreRequest(
        _number(elements, MESSAGE_ID), _text(elements, SOP_CLASS_UID), _text(elements, SOP_INSTANCE_UID)
    )


def store_response(request: StoreRequest, status: int, named: bool) -> bytes:
    """The answer; `named`: it repeats the UIDs of the request."""
    uids = (request.sop_class_uid, request.sop_instance_uid) if named else ("", "")
    elements = b"".join(
        (
            _uid_element(SOP_CLASS_UID, uids[0]),
            _number_element(COMMAND_FIELD, C_STORE_RSP),
            _number_element(RESPONDED_TO, request.message_id),
            _number_element(DATA_SET_TYPE, NO_DATA_SET),
            _number_element(STATUS, status),
            _uid_element(SOP_INSTANCE_UID, uids[1]),
        )
    )
    return _element(GROUP_LENGTH, struct.pack("<L", len(elements))) + elements


def _elements(content: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(content):
        if at + HEADER.size > len(content):
            raise UnreadableError("expected a command set, got a part of one")
        group, number, length = HEADER.unpack_from(content, at)
        at += HEADER.size
        if group != 0 or at + length > len(content):
            raise UnreadableError("expected a command set, got something else")
        found.append((number, content[at : at + length]))
        at += length
    return found


def _number(elements: dict[int, bytes], number: int) -> int:
    value = elements.get(number, b"")
    if len(value) != 2:
        raise UnreadableError(f"expected a number in command element {number:04x}, got none")
    return int.from_bytes(value, "little")


def _text(elements: dict[int, bytes], number: int) -> str:
    """Padding goes; so do characters that no UID has, but visibly, so that none becomes another one."""
    return elements.get(number, b"").decode("ascii", "replace").rstrip("\0 ")


def _element(number: int, value: bytes) -> bytes:
    return HEADER.pack(0, number, len(value)) + value


def _number_element(number: int, value: int) -> bytes:
    return _element(number, struct.pack("<H", value))


def _uid_element(number: int, value: str) -> bytes:
    content = value.encode("ascii", "replace")
    return _element(number, content + b"\0" * (len(content) % 2)) if value else b""
