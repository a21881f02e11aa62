"""The time limit of a delivery restarts with each byte that the peer accepts, at any link speed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from app.node.commitment import requests
from app.node.peers import destination
from app.node.peers.destination import Outgoing
from app.node.send import dicomweb_destination as stow_destination
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer, TlsFiles
from app.node.settings.tls import server_context
from app.node.storage.pending_file import content_hash
from operators.errors import TransientError
from tests.service.app.node.receive.test_stow import served
from tests.service.app.node.send.test_ill_web_servers import END, OK, take_request, web
from tests.service.app.node.settings.test_tls import authority, signed
from tests.support.faults.ill_servers import Talk, association_accept, ill_server, response, take_file
from tests.support.faults.slow_link import large_file, slow_link

CT, PUSH_MODEL = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.20.1"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "hospital")
    return signed(folder, "node", "hospital")


def settings(tls: TlsFiles | None = None, **given: Any) -> NodeSettings:
    return NodeSettings(network_s=1, tls=tls, **given)


def pacs(port: int, tls: bool = False) -> Peer:
    return Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, receives=True, tls=tls)


@contextmanager
def storing(tls: SSLContext | None = None) -> Iterator[tuple[int, list[str], list[Dataset]]]:
    """A PACS; the hash of each data set that it stored, and what it was asked to commit to."""
    hashes, asked = list[str](), list[Dataset]()

    def store(event: Event) -> int:
        assert isinstance(event.request, C_STORE)
        assert event.request.DataSet is not None
        hashes.append(hashlib.sha256(event.request.DataSet.getvalue()).hexdigest())
        return 0x0000

    def ask(event: Event) -> tuple[int, None]:
        asked.append(event.action_information)
        return 0x0000, None

    entity = AE("PACS")
    entity.add_supported_context(CT, ExplicitVRLittleEndian)
    entity.add_supported_context(PUSH_MODEL)
    handlers: list[Any] = [(evt.EVT_C_STORE, store), (evt.EVT_N_ACTION, ask)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls)
    assert server is not None
    try:
        yield server.server_address[1], hashes, asked
    finally:
        server.shutdown()


@pytest.fixture
def large(tmp_path: Path) -> Outgoing:
    """Takes three time limits at a megabyte a second."""
    return large_file(tmp_path / "large.dcm", 3)


@pytest.mark.parametrize("tls", [False, True])
def test_a_file_that_takes_three_time_limits_arrives_whole(
    large: Outgoing, certificates: TlsFiles, tls: bool
) -> None:
    context = server_context(certificates) if tls else None
    with storing(context) as (port, hashes, _), slow_link(port, MEGABYTE) as link:
        assert destination.store([large], pacs(link.port, tls), settings(certificates)) == []
    assert hashes == [content_hash(large.path)]


@pytest.mark.parametrize("tls", [False, True])
def test_a_peer_that_stops_taking_in_the_midst_of_a_file_is_given_up(
    large: Outgoing, certificates: TlsFiles, tls: bool
) -> None:
    context = server_context(certificates) if tls else None
    with (
        storing(context) as (port, hashes, _),
        slow_link(port, 20 * MEGABYTE, MEGABYTE) as link,
        pytest.raises(TransientError) as raised,
    ):
        destination.store([large], pacs(link.port, tls), settings(certificates))
    assert (raised.value.code, hashes) == ("no_answer", [])


def test_many_instances_are_asked_for_over_a_slow_link(tmp_path: Path) -> None:
    """Their names alone take some time limits."""
    files = [Outgoing(tmp_path, CT, f"1.2.826.0.1.3680043.10.1.{n}", "1.2") for n in range(14_000)]
    with storing() as (port, _, asked), slow_link(port, MEGABYTE / 2) as link:
        requests.ask(files, pacs(link.port), settings(data=tmp_path), "1.2.3")
    assert len(asked[0].ReferencedSOPSequence) == len(files)
    assert link.passed_bytes > MEGABYTE


def test_an_upload_that_takes_three_time_limits_arrives_whole(large: Outgoing, tmp_path: Path) -> None:
    with served(tmp_path / "data") as other, slow_link(other.port, MEGABYTE) as link:
        assert stow_destination.store([large], web(link.port, ""), settings()) == []
        (path,) = other.stored()
        assert content_hash(path) == content_hash(large.path)


def test_an_upload_over_tls_too(large: Outgoing, certificates: TlsFiles) -> None:
    def meet(talk: Talk) -> None:
        take_request(talk)
        talk.say(OK, END)

    with (
        ill_server(meet, server_context(certificates)) as server,
        slow_link(server.port, MEGABYTE) as link,
    ):
        address = f"https://127.0.0.1:{link.port}"
        peer = Peer(name="web", ae_title="PACS", stow=address, receives=True, tls=True)
        assert stow_destination.store([large], peer, settings(certificates)) == []
    assert link.passed_bytes > 3 * MEGABYTE


def test_a_server_that_stops_taking_is_given_up(large: Outgoing, tmp_path: Path) -> None:
    with served(tmp_path / "data") as other, slow_link(other.port, 20 * MEGABYTE, MEGABYTE) as link:
        with pytest.raises(TransientError) as raised:
            stow_destination.store([large], web(link.port, ""), settings())
        assert (raised.value.code, other.stored()) == ("no_answer", [])


def test_a_server_may_think_for_a_time_limit_after_the_last_byte(large: Outgoing) -> None:
    def meet(talk: Talk) -> None:
        take_request(talk)
        thinking.wait(thinks_s)
        talk.say(OK, END)

    thinking = threading.Event()
    with ill_server(meet) as server, slow_link(server.port, 2 * MEGABYTE) as link:
        thinks_s = 0.6
        assert stow_destination.store([large], web(link.port), settings()) == []
        thinks_s = 60
        with pytest.raises(TransientError) as raised:
            stow_destination.store([large], web(link.port), settings())
        thinking.set()
    assert raised.value.code == "no_answer"


@pytest.mark.parametrize("maximum_pdu", [16384, 0])
def test_a_large_file_is_never_in_memory(tmp_path: Path, maximum_pdu: int) -> None:
    """Nor where the peer takes PDUs of any length."""

    def meet(talk: Talk) -> None:
        talk.hear_pdu()
        talk.say(association_accept(maximum_pdu))
        threading.Event().wait(1)  # time enough to read the whole file
        take_file(talk)
        talk.say(response())
        talk.hear_pdu()

    with ill_server(meet) as server:
        assert sent_alone(pacs(server.port), large_file(tmp_path / "large.dcm", 24)) < 16


def test_nor_by_http(tmp_path: Path) -> None:
    def meet(talk: Talk) -> None:
        take_request(talk)
        talk.say(OK, END)

    with ill_server(meet) as server:
        assert sent_alone(web(server.port), large_file(tmp_path / "large.dcm", 24)) < 16


def sent_alone(peer: Peer, file: Outgoing) -> float:
    """Megabytes that a separate process needed for it."""
    module = "tests.support.faults.sending_process"
    command = [sys.executable, "-m", module, peer.model_dump_json(), str(file.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found["refused"] == []
    return float(found["grown_mb"])
