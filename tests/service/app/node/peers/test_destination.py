"""Each attempt to send ends as stored, retryable, or refused for good, whatever a PACS does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from app.node.peers.destination import VERIFICATION, Outgoing, echo, end, open_association, store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.elements.instance_identity import read_outgoing
from operators.errors import OsteonError, OutputError, TransientError
from tests.support.dicom import phantoms
from tests.support.node.node_cases import dcmtk, system_tool
from tests.support.node.node_processes import free_port, until

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 12, 2), AFFINE)
SETTINGS = NodeSettings(network_s=2)
IMPLICIT = "1.2.840.10008.1.2"
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def files(tmp_path: Path) -> list[Outgoing]:
    return [Outgoing(path, *read_outgoing(path)) for path in phantoms.write_ct(tmp_path / "ct", HU, AFFINE)]


def pacs(port: int) -> Peer:
    return Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, receives=True)


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[Peer]:
    """DCMTK's server, well or ill."""
    port = free_port()
    folder.mkdir()
    command = [system_tool("storescp"), "-od", str(folder), "-aet", "PACS", *options, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if "--refuse" not in options:
            until(lambda: dcmtk("echoscu", "127.0.0.1", port, called="PACS")[0] == 0)
        else:
            until(lambda: "reject" in dcmtk("echoscu", "127.0.0.1", port)[1].lower())
        yield pacs(port)
    finally:
        process.kill()
        process.wait()


@contextmanager
def answering(status: int, sop_class_uid: str = CT) -> Iterator[tuple[Peer, list[str]]]:
    """A server that takes one class and answers every C-STORE with one status."""
    entity, got = AE("PACS"), list[str]()
    entity.add_supported_context(sop_class_uid, ExplicitVRLittleEndian)

    def answer(event: Event) -> int:
        assert isinstance(event.request, C_STORE)
        got.append(str(event.request.AffectedSOPInstanceUID))
        return status

    handlers: list[Any] = [(evt.EVT_C_STORE, answer)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield pacs(server.server_address[1]), got
    finally:
        server.shutdown()


def failure(files: list[Outgoing], peer: Peer) -> tuple[type[OsteonError], str]:
    try:
        (first, *_) = store(files, peer, SETTINGS)
    except OsteonError as error:
        return type(error), error.code
    return type(first.error), first.error.code


def test_a_well_pacs_gets_every_file(files: list[Outgoing], tmp_path: Path) -> None:
    with storescp(tmp_path / "pacs") as peer:
        assert store(files, peer, SETTINGS) == []
        echo(peer, SETTINGS)
    got = {pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "pacs").iterdir()}
    assert got == {file.sop_instance_uid for file in files}


def test_no_answer_is_lost_while_the_reactor_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for requests a thousand times a second, and may not have paused yet when the answer comes."""
    paused = property(lambda _: True, lambda _, __: None)
    monkeypatch.setattr(Association, "_is_paused", paused, raising=False)
    entity = AE("PACS")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    association = open_association(pacs(server.server_address[1]), SETTINGS, [(VERIFICATION, IMPLICIT)])
    monkeypatch.setattr(association._reactor_checkpoint, "clear", lambda: None)
    send = association.dimse.send_msg

    def send_and_rest(*given: Any) -> None:
        send(*given)
        time.sleep(0.1)

    monkeypatch.setattr(association.dimse, "send_msg", send_and_rest)
    try:
        assert association.send_c_echo().get("Status") == 0
    finally:
        end(association)
        server.shutdown()


def test_a_pacs_that_is_down_is_tried_again(files: list[Outgoing]) -> None:
    assert failure(files, pacs(free_port())) == (TransientError, "unreachable")
    with pytest.raises(TransientError, match="is it running"):
        echo(pacs(free_port()), SETTINGS)


@pytest.mark.parametrize("option", ["--refuse", "--abort-after", "--abort-during"])
def test_a_pacs_that_refuses_or_aborts_is_tried_again(
    files: list[Outgoing], tmp_path: Path, option: str
) -> None:
    with storescp(tmp_path / "pacs", option) as peer:
        assert failure(files, peer)[0] is TransientError


def test_a_pacs_that_never_answers_is_given_up_in_time(files: list[Outgoing], tmp_path: Path) -> None:
    with storescp(tmp_path / "pacs", "--sleep-during", "600") as peer:
        assert failure(files, peer) == (TransientError, "no_answer")


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0x0110])
def test_a_pacs_without_room_is_tried_again(files: list[Outgoing], status: int) -> None:
    with answering(status) as (peer, _):
        assert failure(files, peer) == (TransientError, "peer_out_of_resources")


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xCFFF, 0x0122, 0x0124])
def test_what_a_pacs_cannot_understand_is_not_sent_for_ever(files: list[Outgoing], status: int) -> None:
    with answering(status) as (peer, got):
        assert failure(files, peer) == (OutputError, "peer_refused")
        assert len(got) == len(files)


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB007])
def test_stored_with_a_warning_is_stored(files: list[Outgoing], status: int) -> None:
    with answering(status) as (peer, got):
        assert store(files, peer, SETTINGS) == []
        assert got == [file.sop_instance_uid for file in files]


def test_a_pacs_that_takes_no_such_objects_is_never_sent_any(
    files: list[Outgoing], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A listener of ours in the same process lets pynetdicom's servers take every class
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)
    with answering(0, "1.2.840.10008.5.1.4.1.1.4") as (peer, got):
        assert failure(files, peer) == (OutputError, "no_presentation_context")
        assert got == []
