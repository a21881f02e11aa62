"""Two machines share PostgreSQL and a folder: one receives and sends, both segment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import phantoms
from tests.integration.node_cases import storescu
from tests.integration.node_processes import Orthanc, Served, free_port, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
STUDIES = 6


def as_postgres(*command: object) -> None:
    """PostgreSQL does not run as root."""
    subprocess.run(["runuser", "-u", "postgres", "--", *map(str, command)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database of a server of its own."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    folder, port = Path("/tmp") / f"osteon-postgres-{free_port()}", free_port()
    folder.mkdir()
    shutil.chown(folder, "postgres")
    as_postgres(binaries / "initdb", "-D", folder / "db", "-A", "trust")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    as_postgres(binaries / "pg_ctl", "-D", folder / "db", "-w", "-o", options, "-l", folder / "log", "start")
    as_postgres("createdb", "-h", "127.0.0.1", "-p", port, "osteon")
    yield f"postgresql://postgres@127.0.0.1:{port}/osteon"
    as_postgres(binaries / "pg_ctl", "-D", folder / "db", "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_two_workers_share_the_studies_and_each_is_delivered_once(database: str, tmp_path: Path) -> None:
    pacs = Orthanc(tmp_path / "pacs").start()
    peers = ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer())
    node = Served(tmp_path, peers, database=database, workers=2, quiet_s=1.0)
    try:
        node.start()
        for study in range(1, STUDIES + 1):
            phantoms.write_ct(tmp_path / str(study), HU, AFFINE, study=study)
            assert storescu(node.port, "+sd", tmp_path / str(study))[0] == 0
        jobs = until(lambda: node.ended_jobs(STUDIES), 180)
        assert [job.state for job in jobs] == ["delivered"] * STUDIES
        assert len(pacs.segs()) == STUDIES
        assert not (node.node.data / "osteon.sqlite").exists()
        assert node.stop() == 0
    finally:
        pacs.stop()
        if node.process is not None and node.process.poll() is None:
            node.kill()
