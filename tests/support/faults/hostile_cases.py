"""Assertions on a listener after an attack."""

from __future__ import annotations

import os
from pathlib import Path

from app.node.storage.inbox import Inbox
from app.node.storage.pending_file import content_hash
from tests.support.dicom import phantoms
from tests.support.node.node_cases import Running, storescu
from tests.support.node.node_processes import until

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
# Number of randomly damaged associations, and of data sets
FUZZED = int(os.environ.get("OSTEON_TEST_FUZZ", "1000"))


def contents(inbox: Inbox) -> set[str]:
    """Returns hashes of all data sets in the inbox, under any name."""
    paths = [*inbox.studies.rglob("*.dcm"), *inbox.conflicts.rglob("*.dcm")]
    return {content_hash(path) for path in paths}


def kept(inbox: Inbox, dataset: bytes, tmp_path: Path) -> bool:
    """Returns whether exactly this data set is in the inbox."""
    path = tmp_path / "expected"
    path.write_bytes(bytes(144) + dataset)
    return content_hash(path) in contents(inbox)


def assert_serves(node: Running, tmp_path: Path) -> None:
    """Asserts that a valid study of another peer is received completely, without remains."""
    paths = phantoms.write_ct(tmp_path / "honest", HU, AFFINE, study=9)
    code, text = storescu(node.port, *paths)
    assert code == 0, text
    folder = node.inbox.studies / f"{phantoms.UID_ROOT}.9"
    assert len(list(folder.rglob("*.dcm"))) == len(paths)
    until(lambda: node.left_over() == [])
