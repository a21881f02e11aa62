"""What is asserted of a listener after an attack."""

from __future__ import annotations

import os
from pathlib import Path

from app.node.storage.inbox import Inbox
from app.node.storage.pending_file import content_hash
from tests.support import phantoms
from tests.support.node_cases import Running, storescu
from tests.support.node_processes import until

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
# Associations, and as many data sets, that are damaged at random
FUZZED = int(os.environ.get("OSTEON_TEST_FUZZ", "1000"))


def contents(inbox: Inbox) -> set[str]:
    """Hashes of all data sets that are kept, under whatever name."""
    paths = [*inbox.studies.rglob("*.dcm"), *inbox.conflicts.rglob("*.dcm")]
    return {content_hash(path) for path in paths}


def kept(inbox: Inbox, dataset: bytes, tmp_path: Path) -> bool:
    """Whether this very data set, and nothing less or more, is kept."""
    path = tmp_path / "expected"
    path.write_bytes(bytes(144) + dataset)
    return content_hash(path) in contents(inbox)


def assert_serves(node: Running, tmp_path: Path) -> None:
    """A real study of an honest peer comes in whole, and nothing half stays."""
    paths = phantoms.write_ct(tmp_path / "honest", HU, AFFINE, study=9)
    code, text = storescu(node.port, *paths)
    assert code == 0, text
    folder = node.inbox.studies / f"{phantoms.UID_ROOT}.9"
    assert len(list(folder.rglob("*.dcm"))) == len(paths)
    until(lambda: node.left_over() == [])
