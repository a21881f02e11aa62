"""Two machines share PostgreSQL and a data folder: one receives and sends, both segment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from app.node.queue.database import STUDIES as QUEUE
from app.node.queue.database import prepare_database
from app.node.queue.jobs.job_index import JobIndex
from app.node.queue.jobs.queue_places import QueuePlaces
from app.node.settings.configuration import NodeSettings, RoutingRule
from app.settings import ROOT
from operators.errors import UsageError
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Orthanc, Served, free_port, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
STUDIES = 6
LOST_S = 5.0


def as_postgres(*command: object) -> None:
    """PostgreSQL does not run as root."""
    subprocess.run(["runuser", "-u", "postgres", "--", *map(str, command)], check=True, capture_output=True)


class Server:
    """A server of its own; `url` is of an empty database."""

    def __init__(self) -> None:
        self.binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self.folder, self.port = Path("/tmp") / f"osteon-postgres-{free_port()}", free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/osteon"
        self.folder.mkdir()
        shutil.chown(self.folder, "postgres")
        as_postgres(self.binaries / "initdb", "-D", self.folder / "db", "-A", "trust")
        self.start()
        as_postgres("createdb", "-h", "127.0.0.1", "-p", self.port, "osteon")

    def start(self) -> None:
        """Until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.control("-w", "-o", options, "-l", self.folder / "log", "start")

    def stop(self) -> None:
        """As by a power loss."""
        self.control("-m", "immediate", "stop")

    def control(self, *command: object) -> None:
        """pg_ctl."""
        as_postgres(self.binaries / "pg_ctl", "-D", self.folder / "db", *command)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Gone at the end."""
    running = Server()
    yield running
    running.stop()
    shutil.rmtree(running.folder)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """For all machines."""
    orthanc = Orthanc(tmp_path_factory.mktemp("pacs")).start()
    yield orthanc
    orthanc.stop()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_with_a_sentence(
    server: Server, tmp_path: Path, encoding: str
) -> None:
    options = ("-h", "127.0.0.1", "-p", server.port, "-E", encoding, "-T", "template0", "--locale=C")
    as_postgres("createdb", *options, encoding.lower())
    url = server.url.replace("/osteon", f"/{encoding.lower()}")
    with pytest.raises(UsageError, match=f"with the encoding UTF8, got {encoding}"):
        prepare_database(NodeSettings(data=tmp_path, database=url))


def machine(server: Server, pacs: Orthanc, root: Path, data: Path, **given: object) -> Served:
    """A node of those that share the server and a folder."""
    peers = ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer())
    root.mkdir()
    return Served(root, peers, database=server.url, data=str(data), **given)


def send(node: Served, folder: Path, study: int) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    assert storescu(node.port, "+sd", folder)[0] == 0


def states(node: Served) -> list[str]:
    return [job.state for job in node.jobs()]


def test_two_workers_share_the_studies_through_a_database_that_goes_for_a_while(
    server: Server, pacs: Orthanc, tmp_path: Path
) -> None:
    node = machine(server, pacs, tmp_path / "node", tmp_path / "data", workers=2, quiet_s=1.0)
    try:
        node.start()
        send(node, tmp_path / "1", 1)
        until(lambda: states(node) == ["running"])
        server.stop()
        for study in range(2, STUDIES + 1):
            send(node, tmp_path / str(study), study)
        server.start()
        until(lambda: states(node) == ["delivered"] * STUDIES, 180)
        assert len(pacs.segs()) == STUDIES
        assert not (node.node.data / "osteon.sqlite").exists()
        until(node.is_well)
        assert node.stop() == 0
    finally:
        node.end()


def test_a_machine_that_never_comes_back_leaves_its_study_to_another(
    server: Server, pacs: Orthanc, tmp_path: Path
) -> None:
    data, before = tmp_path / "data", len(pacs.segs())
    receiver = machine(server, pacs, tmp_path / "a", data, roles=("receive", "send"))
    lost, other = (
        machine(server, pacs, tmp_path / name, data, roles=("segment",), lost_s=LOST_S) for name in ("b", "c")
    )
    try:
        receiver.start()
        lost.start(within=named("lost"))
        send(receiver, tmp_path / "ct", STUDIES + 1)
        until(lambda: "running" in states(receiver))
        assert workers_asked_for(server) == 1
        lost.kill()
        other.start(within=named("other"))
        until(lambda: set(states(receiver)) == {"delivered"}, 120)
        assert "work_given_back" in other.log()
        assert workers_asked_for(server) == 0
        assert len(pacs.segs()) == before + 1
    finally:
        for node in (receiver, lost, other):
            node.end()


def workers_asked_for(server: Server) -> int:
    """The result of KEDA's query in deploy/kubernetes."""
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/keda.yaml").read_text(encoding="utf-8"))
    (scaled,) = (each for each in documents if each["kind"] == "ScaledObject")
    with psycopg.connect(server.url) as connection:
        ((count,),) = connection.execute(scaled["spec"]["triggers"][0]["metadata"]["query"]).fetchall()
    return int(count)


def named(host: str) -> tuple[str, ...]:
    """Runs a command as on a machine of that name."""
    return "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host


def test_a_queued_job_changes_its_place_and_an_index_follows(server: Server, tmp_path: Path) -> None:
    as_postgres("createdb", "-h", "127.0.0.1", "-p", server.port, "places")
    rules = (RoutingRule(complete_images=1),)
    here = Node(tmp_path, database=server.url.replace("/osteon", "/places"), rules=rules)
    for study in (1, 2, 3):
        here.receive(range(1), study)
        here.dispatcher.tick(0)
    places = QueuePlaces(here.settings)
    index = JobIndex(here.client, places.stamps)
    first, second, third = (job.job_id for job in index.fresh())
    assert (places.hold(first), places.hold(first), places.release(second)) == (True, False, False)
    assert (places.put_first(third), places.put_first("1.2-0")) == (True, False)
    assert [job.code for job in index.look()] == ["held", "", ""]
    rows = here.client.list_workflows(queue_name=QUEUE, load_input=False)
    priorities = {row.workflow_id: row.priority or 0 for row in rows}
    assert priorities[third] == priorities[second] - 1
    assert places.release(first)
    assert here.states() == ["queued"] * 3
