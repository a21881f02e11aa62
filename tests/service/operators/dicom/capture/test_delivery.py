"""A peer that rejects some results gets the others; the rejected ones are reported, not dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from pynetdicom import AE, _config, evt
from pynetdicom.events import Event as StoreEvent

from app.node.queue.job import Json
from app.node.segment.series_outcome import sha256_of
from app.node.send.sender import attempt
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.watch.audit import AuditTrail
from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import write_pictures
from operators.dicom.elements.instance_identity import read_outgoing
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_writer import write_report
from operators.measure.measuring import measure_segments
from operators.render.fracture_pictures import FracturePicture
from tests.service.app.node.peers.test_destination import storescp
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation, series
from tests.support.faults.small_disk import fill, small_disk

CLASSES = {
    "seg": "1.2.840.10008.5.1.4.1.1.66.4", "labelmap": "1.2.840.10008.5.1.4.1.1.66.7",
    "rtstruct": "1.2.840.10008.5.1.4.1.1.481.3", "sr": "1.2.840.10008.5.1.4.1.1.88.34",
    "sc": "1.2.840.10008.5.1.4.1.1.7", "kos": "1.2.840.10008.5.1.4.1.1.88.59",
}  # fmt: skip
KINDS = {uid: kind for kind, uid in CLASSES.items()}


class Silent:
    """An audit trail that keeps the numbers of instances."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def delivered(self, _who: object, _study: str, count: int, _result: int) -> None:
        self.counts.append(count)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Json]]:
    """A node's data folder with one job's results, and what is known of them."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "jobs" / "1.2.1-1" / "out"
    made = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))
    shared = provenance(made, series(grid()))
    pictures = (FracturePicture(np.zeros((20, 13, 3), np.uint8), 2, "Left hip bone"),)
    paths = {
        "seg": write_seg(made, shared, folder / "seg.dcm"),
        "labelmap": write_seg(made, shared, folder / "labelmap.dcm", profile="labelmap"),
        "rtstruct": write_structures(made, shared, folder / "rtstruct.dcm"),
    }
    paths["sr"] = write_report(made, shared, paths["seg"], folder / "sr.dcm")
    (paths["sc"],) = write_pictures(pictures, shared, folder / "sc")
    write_key_objects(pictures, shared, folder / "kos.dcm")
    paths["kos"] = folder / "kos.dcm"
    names = ("sop_class_uid", "sop_instance_uid", "transfer_syntax_uid")
    return data, [
        {"kind": kind, "file": str(path.relative_to(folder)), "sha256": sha256_of(path)}
        | dict(zip(names, read_outgoing(path), strict=True))
        for kind, path in paths.items()
    ]


@contextmanager
def pacs(
    kinds: str,
    monkeypatch: pytest.MonkeyPatch,
    refuses: str = "",
    meanwhile: Callable[[Any], None] = lambda _: None,
) -> Iterator[tuple[int, list[str]]]:
    """Accepts associations for some kinds only, and responds to C-STORE of `refuses` with an error."""
    # A listener of ours in the same process lets pynetdicom's servers take every class
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)
    entity, got = AE("PACS"), list[str]()
    for kind in kinds.split():
        entity.add_supported_context(CLASSES[kind], [ExplicitVRLittleEndian, RLELossless])

    def answer(event: StoreEvent) -> int:
        meanwhile(event)
        kind = KINDS[str(event.request.AffectedSOPClassUID)]
        if kind in refuses.split():
            return 0x0122  # PS3.7 C.5.6: SOP class not supported
        got.append(kind)
        return 0x0000

    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)])
    assert server is not None
    try:
        yield server.server_address[1], got
    finally:
        server.shutdown()


def sent(job: tuple[Path, list[Json]], port: int, **given: Any) -> tuple[Any, Silent]:
    """What became of a delivery to the peer at `port`."""
    data, files = job
    peer = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, receives=True, **given)
    settings, trail = NodeSettings(network_s=2, data=data, peers=(peer,)), Silent()
    delivery = {
        "job_id": "1.2.1-1",
        "peer": "pacs",
        "files": [each for each in files if each["kind"] in peer.results],
        "captures": [each for each in files if each["kind"] == "sc"],
    }
    return attempt(delivery, settings, cast(AuditTrail, trail)), trail


def test_a_peer_that_takes_everything_gets_what_it_is_set_to_and_nothing_in_its_place(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pacs("seg sr sc kos labelmap rtstruct", monkeypatch) as (port, got):
        outcome, trail = sent(results, port)
        assert (outcome.state, outcome.code, outcome.sentence) == ("delivered", "", "")
        assert (got, trail.counts) == (["seg", "sr"], [2])
        sent(results, port, results=("kos", "rtstruct"))
        assert got[2:] == ["rtstruct", "kos"]


@pytest.mark.parametrize(
    ("takes", "gets"),
    [
        ("labelmap rtstruct sc sr", ["sr", "labelmap"]),
        ("rtstruct sc sr", ["sr", "rtstruct"]),
        ("sc sr", ["sr", "sc"]),
        ("sc", ["sc"]),
    ],
)
def test_one_that_refuses_the_seg_gets_the_first_form_that_it_takes(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch, takes: str, gets: list[str]
) -> None:
    with pacs(takes, monkeypatch) as (port, got):
        outcome, trail = sent(results, port)
    assert (outcome.state, outcome.code) == ("delivered", "not_taken")
    assert outcome.sentence.startswith("not accepted by pacs: seg (no_presentation_context)")
    assert outcome.sentence.endswith(f"{gets[-1]} was sent instead of seg")
    assert (got, trail.counts) == (gets, [len(gets)])


def test_a_disk_that_is_full_when_another_form_is_made_costs_time_only(
    results: tuple[Path, list[Json]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, files = results
    with small_disk(tmp_path / "disk", 8) as disk, pacs("labelmap sr", monkeypatch) as (port, got):
        shutil.copytree(data / "jobs", disk / "jobs")
        ballast = fill(disk)
        outcome, _ = sent((disk, files), port)
        assert (outcome.state, outcome.code) == ("transient", "output")
        ballast.unlink()
        outcome, _ = sent((disk, files), port)
    assert (outcome.state, outcome.code, got[-1]) == ("delivered", "not_taken", "labelmap")


@pytest.mark.parametrize(("takes", "refuses"), [("seg", ""), ("seg sr", "sr")])
def test_a_peer_that_takes_no_report_has_its_seg_and_the_job_says_what_it_lacks(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch, takes: str, refuses: str
) -> None:
    with pacs(takes, monkeypatch, refuses) as (port, got):
        outcome, _ = sent(results, port)
    why = "peer_refused" if refuses else "no_presentation_context"
    assert (outcome.state, outcome.sentence) == ("delivered", f"not accepted by pacs: sr ({why})")
    assert got == ["seg"]


def test_a_seg_that_is_refused_only_when_it_comes_is_replaced_too(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pacs("seg sr labelmap rtstruct", monkeypatch, refuses="seg labelmap") as (port, got):
        outcome, _ = sent(results, port)
    assert (outcome.state, got) == ("delivered", ["sr", "rtstruct"])


def test_where_no_form_is_taken_or_none_is_wanted_the_delivery_fails(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pacs("sr kos", monkeypatch) as (port, _):
        outcome, _ = sent(results, port)
        assert (outcome.state, outcome.code) == ("failed", "no_presentation_context")
    with pacs("sr sc", monkeypatch) as (port, got):
        outcome, _ = sent(results, port, instead=())
        assert (outcome.state, got) == ("failed", ["sr"])


def test_a_delivery_that_is_under_way_is_not_begun_twice(
    results: tuple[Path, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `osteon jobs cancel` and `retry`, or by a machine that was taken for lost."""
    came, may_go_on = Event(), Event()

    def slowly(_: Any) -> None:
        came.set()
        assert may_go_on.wait(30)

    with pacs("seg sr", monkeypatch, meanwhile=slowly) as (port, got), ThreadPoolExecutor() as pool:
        first = pool.submit(sent, results, port)
        assert came.wait(30)
        second, _ = sent(results, port)
        may_go_on.set()
        assert (second.state, second.code) == ("transient", "under_way")
        assert (first.result()[0].state, got) == ("delivered", ["seg", "sr"])
        assert sent(results, port)[0].state == "delivered"


def test_dcmtks_server_takes_each_form(results: tuple[Path, list[Json]], tmp_path: Path) -> None:
    with storescp(tmp_path / "pacs", "+xa") as peer:
        kinds = ("seg", "sr", "sc", "kos", "rtstruct")
        outcome, _ = sent(results, peer.port, results=kinds)
    assert (outcome.state, outcome.sentence) == ("delivered", "")
    assert len(list((tmp_path / "pacs").iterdir())) == len(kinds)
