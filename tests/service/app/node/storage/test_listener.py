"""Instances that DCMTK's tools get acknowledged are in the inbox, and no others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from app.node.storage.inbox import InboxOutcome
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_cases import associate, dcmtk, listening, node_settings, send, storescu

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)


def test_echo_is_answered(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path)) as node:
        assert dcmtk("echoscu", "127.0.0.1", node.port)[0] == 0


@pytest.mark.parametrize(("called", "calling"), [("OSTEON", "STRANGER"), ("OTHER", "CT1"), ("osteon", "CT1")])
def test_unknown_titles_are_rejected(tmp_path: Path, called: str, calling: str) -> None:
    with listening(node_settings(tmp_path)) as node:
        code, text = dcmtk("echoscu", "127.0.0.1", node.port, called=called, calling=calling)
        assert code != 0
        assert "Rejected" in text


def test_a_node_without_peers_serves_nobody(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path, peers=())) as node:
        assert dcmtk("echoscu", "127.0.0.1", node.port)[0] != 0


def test_a_known_title_from_another_address_is_rejected(tmp_path: Path) -> None:
    peer = {"name": "ct1", "ae_title": "CT1", "addresses": ("192.0.2.1",)}
    with listening(node_settings(tmp_path, peers=(peer,))) as node:
        assert dcmtk("echoscu", "127.0.0.1", node.port)[0] != 0


@pytest.mark.parametrize("pdu_bytes", [4096, 1 << 20])
def test_a_large_instance_is_stored_whole_in_pdus_of_any_size(tmp_path: Path, pdu_bytes: int) -> None:
    hu = np.random.default_rng(1).integers(-1000, 1000, (1300, 1300, 1), dtype=np.int16)
    (path,) = phantoms.write_ct(tmp_path / "in", hu, AFFINE)
    with listening(node_settings(tmp_path / "data", maximum_pdu_bytes=pdu_bytes)) as node:
        assert send(node.port, path) == 0
        (stored,) = node.inbox.studies.rglob("*.dcm")
        assert pydicom.dcmread(stored) == pydicom.dcmread(path)


def test_a_series_is_stored_as_it_was_sent(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    with listening(node_settings(tmp_path / "data")) as node:
        code, text = storescu(node.port, *paths)
        assert code == 0, text
        assert len(node.stored()) == len(paths)
        assert node.left_over() == []
        for path in paths:
            sent = pydicom.dcmread(path)
            folder = node.inbox.studies / sent.StudyInstanceUID / sent.SeriesInstanceUID
            got = pydicom.dcmread(folder / f"{sent.SOPInstanceUID}.dcm")
            assert got == sent
            assert got.file_meta.SourceApplicationEntityTitle == "CT1"


@pytest.mark.parametrize(
    ("syntax", "option"),
    [
        (ImplicitVRLittleEndian, "-xi"),
        (ExplicitVRBigEndian, "-xb"),
        (DeflatedExplicitVRLittleEndian, "-xd"),
        (RLELossless, "-xr"),
        (JPEG2000Lossless, "-xv"),
        (JPEGLSLossless, "-xt"),
    ],
)
def test_every_transfer_syntax_is_stored_as_it_comes(tmp_path: Path, syntax: str, option: str) -> None:
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE, transfer_syntax_uid=syntax)
    with listening(node_settings(tmp_path / "data")) as node:
        code, text = storescu(node.port, option, *paths)
        assert code == 0, text
        (first, *others) = sorted(node.inbox.studies.rglob("*.dcm"))
        assert len(others) == len(paths) - 1
        got = pydicom.dcmread(first)
        assert got.file_meta.TransferSyntaxUID == syntax
        assert (got.pixel_array == pydicom.dcmread(paths[0]).pixel_array).all()


def test_private_and_unknown_storage_classes_are_stored(tmp_path: Path) -> None:
    edit = setting(SOPClassUID="1.3.46.670589.11.0.0.12.1")
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=edit, keep=[0])
    with listening(node_settings(tmp_path / "data")) as node:
        # DCMTK proposes unknown classes only from a profile, so pynetdicom sends
        assert send(node.port, paths[0]) == 0x0000
        assert len(node.stored()) == 1


def test_the_same_instance_twice_is_one(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    with listening(node_settings(tmp_path / "data")) as node:
        assert storescu(node.port, *paths)[0] == 0
        assert storescu(node.port, *paths)[0] == 0
        assert len(node.stored()) == len(paths)
        assert [told.outcome for told in node.told[-len(paths) :]] == [InboxOutcome.DUPLICATE] * len(paths)
        assert not list(node.inbox.conflicts.rglob("*.dcm"))


def test_another_content_under_the_same_uid_is_kept_apart_and_reported(tmp_path: Path) -> None:
    (first,) = phantoms.write_ct(tmp_path / "a", HU, AFFINE, keep=[0])
    (second,) = phantoms.write_ct(tmp_path / "b", HU + 7, AFFINE, keep=[0])
    with listening(node_settings(tmp_path / "data")) as node:
        for path in (first, second, second):
            assert storescu(node.port, path)[0] == 0
        (stored,) = node.inbox.studies.rglob("*.dcm")
        (other,) = node.inbox.conflicts.rglob("*.dcm")
        assert pydicom.dcmread(stored) == pydicom.dcmread(first)
        assert pydicom.dcmread(other) == pydicom.dcmread(second)
        assert [told.outcome for told in node.told] == [
            InboxOutcome.STORED,
            InboxOutcome.CONFLICT,
            InboxOutcome.CONFLICT,
        ]


def test_below_the_watermark_the_answer_is_out_of_resources(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    with listening(node_settings(tmp_path / "data", minimum_free_mb=10**9)) as node:
        assert send(node.port, paths[0]) == 0xA700
        assert (node.stored(), node.left_over()) == ([], [])


def test_many_senders_at_once_lose_nothing(tmp_path: Path) -> None:
    folders = [tmp_path / str(n) for n in range(8)]
    for n, folder in enumerate(folders):
        phantoms.write_ct(folder, HU, AFFINE, study=n + 1)
    with listening(node_settings(tmp_path / "data")) as node:
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda f: storescu(node.port, *sorted(f.iterdir()))[0], folders))
        assert codes == [0] * 8
        assert len(node.stored()) == 8 * HU.shape[2]


def test_more_associations_than_allowed_are_rejected(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path, maximum_associations=2)) as node:
        held = [associate(node.port) for _ in range(2)]
        assert all(each.is_established for each in held)
        assert associate(node.port).is_rejected
        for each in held:
            each.release()
        assert dcmtk("echoscu", "127.0.0.1", node.port)[0] == 0
