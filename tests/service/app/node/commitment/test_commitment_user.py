"""Storage commitment as SCU: a result counts as committed once each of its instances is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.events import Event

from app.node.commitment.requests import ask, require_committed, transaction_of
from app.node.commitment.transactions import forget_transaction, read_transaction
from app.node.peers.destination import Outgoing
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.errors import OutputError, TransientError
from tests.support.node.node_cases import Running, listening, node_settings

PUSH_MODEL, INSTANCE, CT = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", "1.2.840.10008.5.1.4.1.1.2"
UIDS = ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
DELIVERY = "2.25.77"
UNKNOWN, NOT_AUTHORISED = 0x0115, 0x0124
RESOURCES, NO_INSTANCE, PROCESSING, NO_CLASS = 0x0213, 0x0112, 0x0110, 0x0122


def items(uids: Sequence[str], reasons: Sequence[int] = ()) -> list[Dataset]:
    found = []
    for number, uid in enumerate(uids):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
        if reasons:
            item.FailureReason = reasons[number]
        found.append(item)
    return found


@dataclass
class Archive:
    """The peer: stores the transaction UIDs of requests, and sends the reports that a test chooses."""

    node: Running
    settings: NodeSettings
    pacs: Peer
    asked: list[str] = field(default_factory=list)
    names: list[list[str]] = field(default_factory=list)

    def ask(self) -> None:
        """The sender's steps after all instances are stored."""
        files = [Outgoing(Path(), CT, uid, "") for uid in UIDS]
        ask(files, self.pacs, self.settings, DELIVERY)

    def requested(self, event: Event) -> tuple[int, None]:
        self.asked.append(event.action_information.TransactionUID)
        named = event.action_information.ReferencedSOPSequence
        self.names.append([item.ReferencedSOPInstanceUID for item in named])
        return 0x0000, None

    def report(
        self,
        committed: Sequence[str] = (),
        failed: dict[str, int] | None = None,
        transaction: str = "",
        calling: str = "PACS",
    ) -> int:
        """The status that the node answers with."""
        information = Dataset()
        information.TransactionUID = transaction or self.asked[-1]
        if committed:
            information.ReferencedSOPSequence = items(committed)
        if failed:
            information.FailedSOPSequence = items(list(failed), list(failed.values()))
        entity = AE(calling)
        entity.add_requested_context(PUSH_MODEL)
        role = build_role(PUSH_MODEL, scp_role=True)
        association = entity.associate("127.0.0.1", self.node.port, ae_title="OSTEON", ext_neg=[role])
        assert association.is_established
        kind = 2 if failed else 1
        status, _ = association.send_n_event_report(information, kind, PUSH_MODEL, INSTANCE)
        association.release()
        return int(status.Status)

    def look(self) -> str:
        """The result for the sender: committed, or an error code."""
        try:
            require_committed(self.pacs, self.settings, DELIVERY)
        except (TransientError, OutputError) as error:
            self.sentence = str(error)
            return error.code
        return "committed"

    def files(self) -> list[str]:
        """All stored state of commitments."""
        return sorted(path.name for path in (self.settings.data / "commitments").glob("*"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with archived(tmp_path) as found:
        yield found


@contextmanager
def archived(tmp_path: Path) -> Iterator[Archive]:
    entity = AE("PACS")
    entity.add_supported_context(PUSH_MODEL)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    given = {"ae_title": "PACS", "host": "127.0.0.1", "port": server.server_address[1], "receives": True}
    pacs = Peer.model_validate({"name": "pacs", "commitment": True} | given)
    other = Peer.model_validate({"name": "other", "commitment": True} | given | {"ae_title": "OTHER"})
    peers = (pacs, other, Peer(name="ct1", ae_title="CT1"))
    settings = node_settings(tmp_path / "data", peers=peers)
    with listening(settings) as node:
        archive = Archive(node, settings, pacs)
        server.bind(evt.EVT_N_ACTION, archive.requested)
        yield archive
    server.shutdown()


def test_what_is_not_named_is_not_committed_to(archive: Archive) -> None:
    archive.ask()
    assert archive.look() == "uncommitted"
    assert archive.report() == 0x0000
    assert archive.look() == "uncommitted"
    assert archive.report(["1.2.3.4", "1.2.3.5", "1.2.3.6"]) == 0x0000
    assert archive.look() == "uncommitted"
    assert archive.sentence == "expected pacs to commit to 3 instances, got 0 committed, 3 not answered"


def test_reports_of_parts_add_up(archive: Archive) -> None:
    archive.ask()
    for number, uid in enumerate(UIDS, start=1):
        assert archive.look() == "uncommitted"
        assert archive.report([uid, uid]) == archive.report([uid]) == 0x0000
        if number < len(UIDS):
            assert archive.look() == "uncommitted"
            assert f"got {number} committed" in archive.sentence
    assert archive.look() == "committed"
    assert archive.names == [UIDS]


def test_what_failed_failed_whatever_else_is_said_of_it(archive: Archive) -> None:
    archive.ask()
    assert archive.report(UIDS, {UIDS[1]: NO_CLASS, "1.2.3.9": NO_CLASS}) == 0x0000
    assert archive.report(UIDS) == 0x0000
    assert archive.look() == "not_committed"
    assert archive.sentence == (
        "expected pacs to commit to 3 instances, got 2 committed, 1 failed (0122H SOP class not supported)"
    )
    assert len(archive.asked) == 1


@pytest.mark.parametrize("reason", [RESOURCES, NO_INSTANCE, PROCESSING, 0x0131])
def test_a_reason_that_may_pass_is_asked_about_again(archive: Archive, reason: int) -> None:
    archive.ask()
    assert archive.report(UIDS[:2], {UIDS[2]: reason}) == 0x0000
    assert archive.look() == "uncommitted"
    assert f"1 failed ({reason:04X}H " in archive.sentence
    assert archive.sentence.endswith("; requested again")
    first, second = archive.asked
    assert first != second
    assert archive.report(UIDS, transaction=first) == UNKNOWN
    assert archive.look() == "uncommitted"
    assert archive.report(UIDS) == 0x0000
    assert archive.look() == "committed"
    assert archive.names == [UIDS, UIDS]


@pytest.mark.parametrize("reason", [NO_CLASS, 0x0119, 0xC001, 0])
def test_one_that_never_will_is_not(archive: Archive, reason: int) -> None:
    archive.ask()
    assert archive.report([], {UIDS[0]: RESOURCES, UIDS[2]: reason}) == 0x0000
    assert archive.look() == "not_committed"
    assert len(archive.asked) == 1


def test_an_old_answer_decides_no_later_attempt(archive: Archive) -> None:
    """As after `osteon jobs retry`."""
    archive.ask()
    assert archive.report(UIDS[1:], {UIDS[0]: NO_CLASS}) == 0x0000
    assert archive.look() == "not_committed"
    archive.ask()
    assert archive.look() == "uncommitted"
    first, second = archive.asked
    assert archive.report([], {UIDS[0]: NO_CLASS}, transaction=first) == UNKNOWN
    assert archive.look() == "uncommitted"
    assert archive.report(UIDS) == 0x0000
    assert archive.look() == "committed"
    archive.ask()
    assert archive.look() == "uncommitted"
    assert len({first, second, archive.asked[2]}) == 3


def test_nothing_is_kept_of_what_was_not_asked(archive: Archive) -> None:
    for number in range(20):
        assert archive.report(UIDS, transaction=f"{DELIVERY}.{number}") == UNKNOWN
    assert archive.report(UIDS, transaction="1") == archive.report(UIDS, transaction=DELIVERY) == UNKNOWN
    assert archive.files() == []
    archive.ask()
    before = archive.files()
    assert archive.report(UIDS, transaction=f"{DELIVERY}.2") == UNKNOWN
    assert archive.report(UIDS, calling="OTHER") == NOT_AUTHORISED
    assert archive.report(UIDS, calling="CT1") == NOT_AUTHORISED
    assert archive.files() == before
    assert archive.look() == "uncommitted"


def test_a_request_is_on_the_disk_before_it_is_made(archive: Archive) -> None:
    nobody = archive.pacs.model_copy(update={"port": 1})
    with pytest.raises(TransientError):
        ask([Outgoing(Path(), CT, UIDS[0], "")], nobody, archive.settings, DELIVERY)
    kept = read_transaction(archive.settings.data, DELIVERY)
    assert kept is not None
    assert (kept.uid, [named.sop_instance_uid for named in kept.asked]) == (f"{DELIVERY}.1", UIDS[:1])
    archive.ask()
    assert archive.asked == [f"{DELIVERY}.2"]
    assert archive.report(UIDS) == 0x0000
    assert archive.files() == [f"{DELIVERY}.answer.json", f"{DELIVERY}.json"]
    forget_transaction(archive.settings.data, DELIVERY)
    assert archive.files() == []


def test_an_answer_of_the_first_version_names_nothing(archive: Archive) -> None:
    path = archive.settings.data / "commitments" / f"{DELIVERY}.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"missing": []}')
    assert archive.look() == "uncommitted"
    archive.ask()
    assert archive.report(UIDS) == 0x0000
    assert archive.look() == "committed"


def test_a_transaction_uid_is_the_same_for_the_same_delivery() -> None:
    one, other = {"job_id": "1.2-a", "peer": "pacs"}, {"job_id": "1.2-a", "peer": "web"}
    assert transaction_of(one) == transaction_of(dict(one)) != transaction_of(other)
    assert len(f"{transaction_of(one)}.100000") <= 64
