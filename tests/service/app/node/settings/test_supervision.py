"""A whole node reports loops that hang or fail, ports in use, and a disk that runs full."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest

from app.node.settings.ports import PortError, bound, http_socket
from app.node.studies.study_folder import read_study
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 4), AFFINE)
CT1 = {"name": "ct1", "ae_title": "CT1"}
ROLES = ("receive", "segment", "send")
# Over which no look may come: opening it waits for a writer
STUCK = f"{phantoms.UID_ROOT}.99"
# Makes every look at the watched folder fail with what nobody thought of
BREAKING = """
from app.node.receive.watched_folder import WatchedFolder
def look(self):
    raise KeyError("what nobody thought of")
WatchedFolder.look = look
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    nodes: list[Served] = []

    def make(**given: Any) -> Served:
        # A worker's start takes longest, and few of these tests need one
        nodes.append(Served(tmp_path, (CT1,), **{"roles": ("receive",)} | given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.end()


def health(node: Served) -> dict[str, Any]:
    """The response body, whatever the status; {} if there is none within two seconds."""
    try:
        with urlopen(f"http://127.0.0.1:{node.node.http_port}/health", timeout=2) as answer:
            return dict(json.load(answer))
    except HTTPError as error:
        return dict(json.load(error))
    except (URLError, OSError):
        return {}


def send(node: Served, folder: Path, study: int) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    assert storescu(node.port, "+sd", folder)[0] == 0


def jobs_of(node: Served) -> set[str]:
    return {job.study_instance_uid for job in node.jobs()}


def named(node: Served, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in node.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


def test_a_look_that_hangs_leaves_health_receiving_and_sigterm(
    made: Callable[..., Served], tmp_path: Path
) -> None:
    node = made()
    series = node.node.data / "inbox" / STUCK / f"{STUCK}.1"
    series.mkdir(parents=True)
    os.mkfifo(series / f"{STUCK}.1.1.dcm")
    node.start(wait=False)
    until(lambda: health(node).get("ill") == ["dispatcher"], 120)
    send(node, tmp_path / "1", 1)
    assert node.stop() == 0


def test_a_study_over_which_a_look_fails_is_named_and_holds_up_no_other(
    made: Callable[..., Served], tmp_path: Path
) -> None:
    node = made(quiet_s=4.0).start()
    first, second = (f"{phantoms.UID_ROOT}.{n}" for n in (1, 2))
    send(node, tmp_path / "1", 1)
    # Where the folder of its job should be made there is a file
    fingerprint = read_study(node.node.data / "inbox" / first).content.fingerprint
    blocked = node.node.data / "jobs" / f"{first}-{fingerprint}"
    blocked.parent.mkdir(exist_ok=True)
    blocked.touch()
    send(node, tmp_path / "2", 2)
    until(lambda: jobs_of(node) == {second})
    (postponed, *_) = until(lambda: named(node, "study_postponed"))
    assert (postponed["study_instance_uid"], postponed["code"]) == (first, "file")
    assert not named(node, "look_failed")
    blocked.unlink()
    until(lambda: jobs_of(node) == {first, second})
    assert node.is_well()


def test_a_defect_in_a_look_stops_no_other_and_is_in_the_log(
    made: Callable[..., Served], tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    node = made(watch=str(watched), watch_settled_s=0)
    node.start(wait=False, before=BREAKING)
    until(lambda: health(node).get("ill") == ["watch"], 120)
    send(node, tmp_path / "1", 1)
    until(lambda: jobs_of(node))
    failed = named(node, "look_failed")
    assert {each["look"] for each in failed} == {"watch"}
    assert "KeyError" in failed[0]["traceback"]
    assert node.stop() == 0


def test_a_second_sigterm_ends_at_once(made: Callable[..., Served]) -> None:
    node = made(grace_s=600.0, roles=ROLES).start()
    assert node.process is not None
    children = psutil.Process(node.process.pid).children(recursive=True)
    os.kill(node.part("listener"), signal.SIGSTOP)
    node.process.terminate()
    until(lambda: named(node, "stopping"))
    node.process.terminate()
    assert node.process.wait(30) == 128 + signal.SIGTERM
    psutil.wait_procs(children, 30)
    assert not [child for child in children if child.is_running()]


def test_sigterm_is_heard_while_the_node_starts(made: Callable[..., Served]) -> None:
    node = made().start(wait=False)
    until(lambda: health(node), 120)
    assert node.stop() == 0


def ended(node: Served) -> tuple[int, list[str]]:
    """Exit code, and the sentences that are no line of the log."""
    process = node.start(wait=False).process
    assert process is not None
    code = process.wait(120)
    return code, [line for line in node.log().splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("name", ["port", "http_port"])
def test_a_port_that_is_taken_ends_the_node_with_one_sentence(made: Callable[..., Served], name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = ended(made(**{name: port}))
    assert code == 6
    assert len(said) == 1
    assert (
        f"expected to listen on 127.0.0.1:{port}: another program, perhaps a running node, listens there"
        in said[0]
    )


def test_an_address_of_another_machine_ends_the_node_with_one_sentence(made: Callable[..., Served]) -> None:
    code, said = ended(made(host="192.0.2.1"))
    assert (code, len(said)) == (6, 1)
    assert "this machine has no such address" in said[0]


def test_certificates_that_cannot_be_read_end_the_node(made: Callable[..., Served], tmp_path: Path) -> None:
    files = dict.fromkeys(("certificate", "key", "authority"), str(tmp_path / "none.pem"))
    code, said = ended(made(tls=files))
    assert (code, len(said)) == (2, 1)
    assert "expected readable certificate files" in said[0]


def test_a_package_that_is_missing_ends_the_node(made: Callable[..., Served]) -> None:
    node = made(roles=ROLES)
    for weights in node.models.rglob("*.safetensors"):
        weights.unlink()
    code, said = ended(node)
    assert (code, len(said)) == (5, 1)
    assert "expected weights" in said[0]


def test_a_data_folder_that_takes_no_files_ends_the_node(made: Callable[..., Served], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = ended(made(data=str(tmp_path / "file")))
    assert (code, len(said)) == (6, 1)
    assert f"expected a folder at {tmp_path / 'file'}, got a file; move it away" in said[0]


def test_ports_below_1024_are_named_with_the_right_they_want() -> None:
    def bind() -> None:
        raise error

    error: OSError = PermissionError(errno.EACCES, "")
    with pytest.raises(PortError, match="CAP_NET_BIND_SERVICE"):
        bound(bind, "0.0.0.0", 104)
    error = OSError(errno.EMFILE, "")
    with pytest.raises(OSError, check=lambda raised: raised is error):
        bound(bind, "0.0.0.0", 104)


def test_a_port_that_a_dying_node_still_has_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        threading.Timer(0.5, other.close).start()
        bound(lambda: http_socket("127.0.0.1", port), "127.0.0.1", port).close()


def test_a_disk_below_its_watermark_is_named_with_its_figures(
    made: Callable[..., Served], tmp_path: Path
) -> None:
    node = made(minimum_free_mb=10**9).start(wait=False)
    found = until(lambda: (h := health(node)) and h["ill"] == ["disk"] and h, 120)
    assert found["status"] == "ill"
    assert found["disk"]["minimum_free_mb"] == 10**9
    assert 0 < found["disk"]["free_mb"] < 10**9
    assert live(node) == 200
    phantoms.write_ct(tmp_path / "1", HU, AFFINE)
    assert storescu(node.port, "+sd", tmp_path / "1")[0] != 0
    (said,) = named(node, "disk_low")
    assert said["free_mb"] == pytest.approx(found["disk"]["free_mb"], rel=0.5)
    assert 'osteon_ill{name="disk"} 1.0' in node.metrics()
    assert re.search(r"osteon_disk_minimum_free_bytes 1e\+0?15", node.metrics())
    assert node.stop() == 0


def live(node: Served) -> int:
    with urlopen(f"http://127.0.0.1:{node.node.http_port}/live", timeout=2) as answer:
        return int(answer.status)
