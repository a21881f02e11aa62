"""With a hanging or missing PostgreSQL the node answers, receives and stops cleanly, and works later."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.node.queue.database import prepare_database
from tests.service.app.node.queue.test_postgres import Server
from tests.service.app.node.settings.test_supervision import health
from tests.service.test_command_line import osteon
from tests.support.dicom import phantoms
from tests.support.node.node_cases import node_settings, storescu
from tests.support.node.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
# Health has two seconds to answer; here it is asked so often
ASKED = 20


class Database(Server):
    """A server whose processes can be stopped in their midst."""

    def processes(self) -> list[psutil.Process]:
        """The first one and its children."""
        named = self.folder / "db" / "postmaster.pid"
        if not named.exists():
            return []
        first = psutil.Process(int(named.read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    def hang(self) -> None:
        """Accepts connections and never responds."""
        self.signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Goes on."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        """To each process that is there still."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    running = Database()
    yield running
    if running.processes():
        running.stop()
    shutil.rmtree(running.folder)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    orthanc = Orthanc(tmp_path_factory.mktemp("pacs")).start()
    yield orthanc
    orthanc.stop()


def send(node: Served, folder: Path, study: int) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    assert storescu(node.port, "+sd", folder)[0] == 0


def is_delivered(pacs: Orthanc, study: int) -> bool:
    return any(seg["StudyInstanceUID"] == f"{phantoms.UID_ROOT}.{study}" for seg in pacs.segs())


def assert_serves_without(node: Served) -> None:
    """Health answers, a killed listener comes back."""
    until(lambda: "database" in health(node)["ill"], 60)
    # `health` fails where there is no answer within two seconds
    assert all(health(node)["status"] == "ill" for _ in range(ASKED))
    os.kill(node.part("listener"), signal.SIGKILL)
    until(lambda: "listener" in health(node)["ill"], 60)
    until(lambda: "listener" not in health(node)["ill"], 120)


def test_a_database_that_hangs_or_is_gone_costs_time_only(
    database: Database, pacs: Orthanc, tmp_path: Path
) -> None:
    peers = ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer())
    node = Served(tmp_path, peers, database=database.url, quiet_s=1.0, grace_s=20.0)
    faults = ((database.hang, database.wake), (database.stop, database.start))
    try:
        node.start()
        for study, (fails, comes_back) in enumerate(faults, 1):
            fails()
            assert_serves_without(node)
            send(node, tmp_path / str(study), study)
            comes_back()
            until(partial(is_delivered, pacs, study), 180)
            until(node.is_well, 60)
        database.hang()
        send(node, tmp_path / "3", 3)
        until(lambda: "database" in health(node)["ill"], 60)
        assert node.stop() == 0
        database.wake()
        node.start()
        until(lambda: is_delivered(pacs, 3), 180)
    finally:
        database.wake()
        node.end()


@pytest.mark.parametrize("words", ["jobs list", "jobs retry 3fa9c1"])
def test_a_command_says_in_one_sentence_that_the_database_hangs(
    database: Database, tmp_path: Path, words: str
) -> None:
    prepare_database(node_settings(tmp_path, database=database.url))
    given = {"OSTEON_NODE__DATABASE": database.url, "OSTEON_NODE__DATA": str(tmp_path)}
    database.hang()
    try:
        code, text = osteon(*words.split(), **given)
    finally:
        database.wake()
    lines = [line for line in text.splitlines() if "database" in line]
    assert (code, len(lines)) == (6, 1)
    assert "expected the database of jobs to answer, got no connection" in lines[0]


def test_a_database_that_hangs_at_the_start_is_named_and_sigterm_is_heard(
    database: Database, tmp_path: Path
) -> None:
    node = Served(tmp_path, (), database=database.url)
    database.hang()
    try:
        assert node.start(wait=False).process is not None
        until(lambda: health(node), 60)
        assert node.stop() == 0
        process = node.start(wait=False).process
        assert process is not None
        assert process.wait(120) == 6
        assert "expected the database of jobs to answer" in node.log()
    finally:
        database.wake()
        node.end()
