"""A clock that jumps and a locked database cost time at most."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
QUIET_S, LOCKED_S, DAY_S = 5.0, 8.0, 86400


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds that are added to the node's time of day."""
    path = tmp_path_factory.mktemp("clock") / "offset"
    path.write_text("0")
    return path


@pytest.fixture(scope="module")
def node(clock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Orthanc]]:
    root = tmp_path_factory.mktemp("node")
    pacs = Orthanc(root / "pacs")
    peers = ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer())
    # A jump forwards makes what was delivered old, which would then be removed, as it should
    served = Served(root, peers, quiet_s=QUIET_S, retention_s=1e10)
    library, source = clock.with_name("clock.so"), Path(__file__).with_name("jumping_clock.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    try:
        started(served, clock)
        yield served, pacs
    finally:
        served.kill()
        pacs.stop()


def started(served: Served, clock: Path) -> Served:
    """With the clock that jumps."""
    return served.start(LD_PRELOAD=str(clock.with_name("clock.so")), CLOCK_OFFSET=str(clock))


def send(served: Served, folder: Path, study: int, keep: range = range(16)) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study, keep=keep)
    assert storescu(served.port, "+sd", folder)[0] == 0


def states(served: Served) -> list[str]:
    return [job.state for job in served.jobs()]


def test_a_clock_that_jumps_neither_cuts_a_study_nor_keeps_a_result(
    node: tuple[Served, Orthanc], clock: Path, tmp_path: Path
) -> None:
    served, pacs = node
    send(served, tmp_path / "half", 1, range(8))
    clock.write_text(f"{40 * DAY_S}")
    send(served, tmp_path / "rest", 1, range(8, 16))
    until(lambda: states(served) == ["delivering"], 120)
    until(lambda: "delivery_postponed" in served.log())
    assert f'"file": "{served.configuration}", "event": "settings_read"' in served.log()
    clock.write_text(f"{-400 * DAY_S}")
    send(served, tmp_path / "next", 2)
    until(lambda: states(served) == ["delivering"] * 2, 120)
    pacs.start()
    until(lambda: states(served) == ["delivered"] * 2, 120)
    assert sorted(seg["StudyInstanceUID"][-2:] for seg in pacs.segs()) == [".1", ".2"]
    clock.write_text("0")


def test_a_locked_database_holds_up_no_sender_and_loses_nothing(
    node: tuple[Served, Orthanc], tmp_path: Path
) -> None:
    served, pacs = node
    writer = sqlite3.connect(served.node.data / "osteon.sqlite", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    send(served, tmp_path / "3", 3)
    with pytest.raises(AssertionError):
        until(lambda: len(states(served)) > 2, QUIET_S + LOCKED_S)
    writer.execute("ROLLBACK")
    until(lambda: states(served) == ["delivered"] * 3, 120)
    assert len(pacs.segs()) == 3
    assert served.is_well()


def test_a_clock_set_back_while_the_node_is_down_keeps_no_result(
    node: tuple[Served, Orthanc], clock: Path, tmp_path: Path
) -> None:
    served, pacs = node
    pacs.stop()
    before = served.log().count("delivery_postponed")
    send(served, tmp_path / "4", 4)
    until(lambda: served.log().count("delivery_postponed") > before, 120)
    served.kill()
    clock.write_text(f"{-400 * DAY_S}")
    pacs.start()
    started(served, clock)
    until(lambda: states(served) == ["delivered"] * 4, 120)
    assert len(pacs.segs()) == 4
    clock.write_text("0")
