"""Receives one DICOM file of a STOW-RS request and stores it in the inbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.node.receive.incoming import (
    CANNOT_UNDERSTAND,
    NOT_THE_SOP_CLASS,
    OUT_OF_RESOURCES,
    SUCCESS,
    GrowingFile,
)
from app.node.receive.reception import Received, Store
from app.node.storage.inbox import InboxOutcome
from operators.dicom.elements.file_meta import with_standard_head
from operators.dicom.elements.instance_identity import Instance, read_instance
from operators.errors import UnreadableError


def part_received(part: GrowingFile, store: Store, sender: str, study: str) -> Received:
    """Stores a complete part and returns its outcome; `study` is the only one accepted, if given."""
    unknown = Received(sender, "", part.status or CANNOT_UNDERSTAND, None, None, 0)
    try:
        path = part.closed()
        if path is None:
            return unknown
        instance = read_instance(path)
        found = replace(unknown, instance=instance, size=path.stat().st_size)
        if study not in ("", instance.study_instance_uid):
            return replace(found, status=NOT_THE_SOP_CLASS)
        return replace(found, status=SUCCESS, outcome=commit_part(path, instance, store, sender))
    except UnreadableError as error:
        return replace(unknown, status=CANNOT_UNDERSTAND, code=error.code)
    except OSError:
        return replace(unknown, status=OUT_OF_RESOURCES)
    finally:
        part.drop()


def commit_part(path: Path, instance: Instance, store: Store, sender: str) -> InboxOutcome:
    """Stores a file with a new file meta group, like a file received by C-STORE. Raises as `commit`."""
    copy = store.inbox.new_part()
    try:
        with copy.open("xb") as file:
            with_standard_head(path, file, sender)
        return store.inbox.commit(copy, instance)
    finally:
        copy.unlink(missing_ok=True)
