"""Storage commitment as SCP, tested with pynetdicom's SCU over sockets."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association

from app.node.commitment.commitment import held_classes
from app.node.queue.database import REPORT, enqueue_report, open_connection, prepare_database
from app.node.queue.workflow import Attempt
from app.node.send.sender import report
from app.node.settings.peer import Peer
from app.node.storage.inbox import Inbox
from app.node.storage.study_lock import moving_files
from app.node.studies.removal import bring_back, move_away
from app.node.studies.retention import sweep
from operators.dicom.elements.instance_identity import read_instance
from operators.errors import TransientError
from tests.support.dicom import phantoms
from tests.support.node.node_cases import Running, listening, node_settings, storescu
from tests.support.node.node_processes import free_port, until
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, worked_off

PUSH_MODEL, INSTANCE, CT = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", "1.2.840.10008.5.1.4.1.1.2"
AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 3), AFFINE)
MR = "1.2.840.10008.5.1.4.1.1.4"
TRANSACTION, STRANGE_UID = "1.2.3.99", "1.2.3.4.5"
WAIT_S = 60

Reports = queue.Queue[tuple[int, Dataset]]


class Peerside:
    """The commitment report that the peer received."""

    def __init__(self) -> None:
        self.reports: Reports = queue.Queue()
        self.handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self.hear)]

    def hear(self, event: Any) -> tuple[int, None]:
        self.reports.put((event.event_type, event.event_information))
        return 0x0000, None

    def told(self) -> tuple[int, list[str], list[tuple[str, int]]]:
        """Kind, committed instances, and failed ones with their reasons."""
        kind, report = self.reports.get(timeout=WAIT_S)
        assert report.TransactionUID == TRANSACTION
        failed = report.get("FailedSOPSequence", [])
        return (
            kind,
            sorted(item.ReferencedSOPInstanceUID for item in report.get("ReferencedSOPSequence", [])),
            [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in failed],
        )


@contextmanager
def asking(node: Running, peer: Peerside, calling: str = "CT1") -> Iterator[Association]:
    entity = AE(calling)
    entity.add_requested_context(PUSH_MODEL)
    association = entity.associate("127.0.0.1", node.port, ae_title="OSTEON", evt_handlers=peer.handlers)
    assert association.is_established
    yield association
    association.release()


@contextmanager
def reached(peer: Peerside, port: int = 0) -> Iterator[int]:
    """The port of the peer's own listener."""
    entity = AE("CT1")
    entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=peer.handlers)
    assert server is not None
    yield server.server_address[1]
    server.shutdown()


def ask(
    association: Association, uids: list[str], transaction: str = TRANSACTION, sop_class_uid: str = CT
) -> int:
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, uid
        request.ReferencedSOPSequence.append(item)
    status, _ = association.send_n_action(request, 1, PUSH_MODEL, INSTANCE)
    return int(status.Status)


def sent(node: Running, folder: Path) -> list[str]:
    code, text = storescu(node.port, *phantoms.write_ct(folder, HU, AFFINE))
    assert code == 0, text
    return [name.removesuffix(".dcm") for name in node.stored()]


def test_a_peer_without_a_listener_is_told_on_its_own_association(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        uids, peer = sent(node, tmp_path / "in"), Peerside()
        with asking(node, peer) as association:
            assert ask(association, uids) == 0x0000
            assert peer.told() == (1, uids, [])


def listens(port: int) -> Peer:
    """A peer that reports can be brought to."""
    return Peer(name="ct1", ae_title="CT1", host="127.0.0.1", port=port)


def test_a_peer_that_listens_is_told_there_and_what_is_missing_is_named(tmp_path: Path) -> None:
    peer = Peerside()
    with reached(peer) as port, listening(node_settings(tmp_path / "data", peers=(listens(port),))) as node:
        uids = sent(node, tmp_path / "in")
        with asking(node, Peerside()) as association:
            assert ask(association, [*uids, STRANGE_UID]) == 0x0000
        (owed,) = node.owed
        assert report(owed, node.listener.settings, node.inbox) == Attempt("delivered")
        assert peer.told() == (2, uids, [(STRANGE_UID, 0x0112)])


def test_a_request_that_cannot_be_kept_is_not_accepted(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data", peers=(listens(104),))) as node:
        node.listener.commitment.owe = out_of_order
        with asking(node, Peerside()) as association:
            assert ask(association, ["1.2.3"]) == 0x0110


def out_of_order(_: Any) -> None:
    raise TransientError("expected the database of jobs to answer")


def test_a_report_that_nobody_takes_is_kept_over_restarts_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.queue.pauses.FIRST_PAUSE_S", 0.2)
    port, peer, tries, trying = free_port(), Peerside(), list[Attempt](), Lock()
    settings = node_settings(tmp_path / "data", peers=(listens(port),), network_s=2.0)
    prepare_database(settings)
    inbox = Inbox(settings.data)

    def tried(owed: dict[str, Any]) -> Attempt:
        with trying:
            tries.append(report(owed, settings, inbox))
            return tries[-1]

    owed = {"peer": "ct1", "transaction_uid": TRANSACTION, "instances": [[CT, "1.2.3"]]}
    enqueue_report(settings, owed)
    with worked_off(settings, ScriptedSegmenter(), report=tried):
        until(lambda: len(tries) == 2)
    with trying:
        pass  # a worker that is gone may still have been in its last try, which would reach the peer now
    with reached(peer, port), worked_off(settings, ScriptedSegmenter(), report=tried):
        assert peer.told() == (2, [], [("1.2.3", 0x0112)])
        until(lambda: tries[-1] == DELIVERED)
        assert {each.code for each in tries[:-1]} == {"unreachable"}
        with pytest.raises(queue.Empty):
            peer.reports.get(timeout=1.0)
    client = open_connection(settings)
    assert len(client.list_workflows(name=REPORT)) == 1
    assert sweep(settings, client, time.time() * 2000) == 0
    assert client.list_workflows(name=REPORT) == []


def test_a_removed_instance_is_not_committed_to(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        first, *others = sent(node, tmp_path / "in")
        next(node.inbox.studies.rglob(f"{first}.dcm")).unlink()
        peer = Peerside()
        with asking(node, peer) as association:
            assert ask(association, [first, *others]) == 0x0000
            assert peer.told() == (2, others, [(first, 0x0112)])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("uid", ["../../x", "*", "1" * 100, ""])
def test_names_that_are_no_uids_are_invalid_arguments(tmp_path: Path, uid: str) -> None:
    with listening(node_settings(tmp_path / "data")) as node, asking(node, Peerside()) as association:
        assert ask(association, [uid]) == 0x0115
        assert ask(association, ["1.2.3"], transaction=uid) == 0x0115


def test_many_instances_are_answered_in_one_report(tmp_path: Path) -> None:
    uids = [f"1.2.3.{n}" for n in range(5000)]
    with listening(node_settings(tmp_path / "data")) as node:
        peer = Peerside()
        with asking(node, peer) as association:
            assert ask(association, uids) == 0x0000
            kind, committed, failed = peer.told()
        assert (kind, committed, len(failed)) == (2, [], 5000)


def test_an_instance_under_another_class_is_not_committed_to(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        first, *others = sent(node, tmp_path / "in")
        peer = Peerside()
        with asking(node, peer) as association:
            assert ask(association, [first, STRANGE_UID], sop_class_uid=MR) == 0x0000
            assert peer.told() == (2, [], [(first, 0x0119), (STRANGE_UID, 0x0112)])
            assert ask(association, others) == 0x0000
            assert peer.told() == (1, others, [])


def test_a_peer_whose_commitment_could_not_come_in_is_no_valid_setting() -> None:
    with pytest.raises(ValueError, match="sends: true"):
        Peer(name="pacs", ae_title="PACS", host="h", receives=True, commitment=True, sends=False)


def lay_in(inbox: Inbox, root: Path) -> list[str]:
    """A study, as a receiver stores it; the UIDs of its instances."""
    instances = []
    for path in phantoms.write_ct(root, HU, AFFINE):
        part = inbox.new_part()
        part.write_bytes(path.read_bytes())
        instances.append(read_instance(path))
        inbox.commit(part, instances[-1])
    return [instance.sop_instance_uid for instance in instances]


def test_a_study_that_is_moved_for_a_moment_is_held(tmp_path: Path) -> None:
    """Retention looks whether it may go, and brings it back: who asks meanwhile is answered after that."""
    inbox = Inbox(tmp_path / "data")
    uids = lay_in(inbox, tmp_path / "ct")
    (study,) = [path.name for path in inbox.studies.iterdir()]
    with ThreadPoolExecutor(1) as pool:
        with moving_files(inbox.root):
            move_away(inbox.root, study)
            asked = pool.submit(held_classes, inbox, uids)
            with suppress(TimeoutError):
                asked.result(0.2)
            bring_back(inbox.root, study)
        assert asked.result(WAIT_S) == {uid: {CT} for uid in uids}


def test_a_study_that_a_crash_left_in_the_trash_is_held_until_its_removal_is_decided(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "data")
    uids = lay_in(inbox, tmp_path / "ct")
    (study,) = [path.name for path in inbox.studies.iterdir()]
    with moving_files(inbox.root):
        move_away(inbox.root, study)
    assert held_classes(inbox, uids) == {uid: {CT} for uid in uids}
    (inbox.root / "trash" / f"{study}.json").write_text("{}")
    assert held_classes(inbox, uids) == {}
