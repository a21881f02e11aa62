"""Waiting deliveries do not delay others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.dimse_primitives import C_STORE

from app.node.commitment.commitment import PUSH_MODEL
from app.node.send.sending_slots import SendingSlots
from app.node.service.parts import DELIVERIES_AT_ONCE
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
STUDIES = DELIVERIES_AT_ONCE + 2


@pytest.fixture
def archive() -> Iterator[tuple[int, list[str]]]:
    """One that promises a storage commitment report and never sends it: its port, and the SEGs it has."""
    entity, segs = AE("ARCHIVE"), []
    for sop_class in (SegmentationStorage, Comprehensive3DSRStorage):
        entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES)
    entity.add_supported_context(PUSH_MODEL)

    def store(event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        if event.request.AffectedSOPClassUID == SegmentationStorage:
            segs.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    handlers: list[Any] = [(evt.EVT_C_STORE, store), (evt.EVT_N_ACTION, lambda _: (0, None))]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    yield server.server_address[1], segs
    server.shutdown()


def test_results_that_wait_for_a_commitment_hold_up_no_others(
    archive: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, segs = archive
    peer = {
        "name": "archive",
        "ae_title": "ARCHIVE",
        "host": "127.0.0.1",
        "port": port,
        "receives": True,
        "commitment": True,
    }
    served = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"}, peer))
    try:
        served.start()
        for n in range(STUDIES):
            phantoms.write_ct(tmp_path / str(n), HU, AFFINE, study=n + 1)
            assert storescu(served.port, "+sd", tmp_path / str(n))[0] == 0
        until(lambda: len(set(segs)) == STUDIES, 120)
        assert {job.state for job in served.jobs()} == {"delivering"}
    finally:
        served.end()


def test_no_more_are_sent_to_a_peer_at_once_than_may_be() -> None:
    slots, most, now, lock = SendingSlots(2), [0], [0], threading.Lock()
    meeting = threading.Barrier(2)

    def deliver() -> None:
        with slots.of("pacs"):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            meeting.wait(10)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    with slots.of("archive"):
        for thread in threads:
            thread.join()
    assert most == [2]
