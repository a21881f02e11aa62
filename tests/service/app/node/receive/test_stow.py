"""STOW-RS over a real socket stores instances in the inbox just as C-STORE does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pydicom
import pytest
import uvicorn
from fastapi import FastAPI

from app.node.receive.dicomweb import sender_at, stow_router
from app.node.receive.reception import Received, Store
from app.node.storage.inbox import Inbox, InboxOutcome
from tests.support.dicom import phantoms
from tests.support.node.node_cases import CT1, listening, node_settings, storescu
from tests.support.node.node_processes import free_port, until

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((32, 32, 3), AFFINE)
STUDY = f"{phantoms.UID_ROOT}.1"
REFERENCED, FAILED, OTHER = "00081199", "00081198", "0008119A"


class Web:
    """A STOW-RS server, the outcomes that it received, and its inbox."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.settings, self.port = node_settings(data, **settings), free_port()
        self.inbox = Inbox(data, "stow")
        self.told: list[Received] = []
        self.ended: list[tuple[str, str, Counter[str]]] = []
        store = Store(
            self.inbox,
            self.settings.minimum_free_mb * 1_000_000,
            self.told.append,
            lambda *what: self.ended.append(what),
        )
        app = FastAPI()
        app.include_router(stow_router(self.settings, store))
        self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_config=None, lifespan="off"))

    def stored(self) -> list[Path]:
        return sorted(self.inbox.studies.rglob("*.dcm"))

    def post(self, content: bytes, path: str = "studies", kind: str = "") -> httpx2.Response:
        kind = kind or 'multipart/related; type="application/dicom"; boundary=edge'
        address = f"http://127.0.0.1:{self.port}/{path}"
        return httpx2.post(address, content=content, headers={"Content-Type": kind}, timeout=30)


@contextmanager
def served(data: Path, **settings: Any) -> Iterator[Web]:
    web = Web(data, **settings)
    thread = threading.Thread(target=web.server.run)
    thread.start()
    until(lambda: web.server.started)
    try:
        yield web
    finally:
        web.server.should_exit = True
        thread.join()


def body(*files: bytes) -> bytes:
    head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + file + b"\r\n" for file in files) + b"--edge--\r\n"


def contents(tmp_path: Path, **more: Any) -> list[bytes]:
    return [path.read_bytes() for path in phantoms.write_ct(tmp_path / "in", HU, AFFINE, **more)]


def named(answer: httpx2.Response, sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.json()[sequence]["Value"]]


def test_a_series_is_stored_and_each_instance_is_named(tmp_path: Path) -> None:
    files = contents(tmp_path)
    with served(tmp_path / "data") as web:
        answer = web.post(body(*files))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
        assert sorted(named(answer, REFERENCED)) == [path.stem for path in web.stored()]
        sent = {pydicom.dcmread(path).SOPInstanceUID: path for path in (tmp_path / "in").iterdir()}
        for path in web.stored():
            assert pydicom.dcmread(path) == pydicom.dcmread(sent[path.stem])
        assert web.ended == [("STOW-RS", "127.0.0.1", Counter({STUDY: 3}))]
        assert not web.inbox.unfinished()


def test_what_came_by_c_store_before_is_the_same_instance(tmp_path: Path) -> None:
    files = contents(tmp_path)
    with listening(node_settings(tmp_path / "data")) as node:
        assert storescu(node.port, *sorted((tmp_path / "in").iterdir()))[0] == 0
    with served(tmp_path / "data") as web:
        assert web.post(body(*files), f"studies/{STUDY}").status_code == 200
        assert [told.outcome for told in web.told] == [InboxOutcome.DUPLICATE] * 3
        assert len(web.stored()) == 3


def test_what_is_no_dicom_or_of_another_study_is_named_as_failed(tmp_path: Path) -> None:
    good, *_ = contents(tmp_path)
    with served(tmp_path / "data") as web:
        answer = web.post(body(good, b"no DICOM at all", b""))
        assert answer.status_code == 202
        assert len(named(answer, REFERENCED)) == 1
        reasons = [item["00081197"]["Value"] for item in answer.json()[OTHER]["Value"]]
        assert reasons == [[0xC000], [0xC000]]
        answer = web.post(body(good), "studies/1.2.3")
        assert answer.status_code == 409
        assert answer.json()[FAILED]["Value"][0]["00081197"]["Value"] == [0xA900]
        assert len(web.stored()) == 1


@pytest.mark.parametrize("uid", ["../../x", "1.2\x003", "1" * 10_000, ""])
def test_uids_that_are_paths_are_refused(tmp_path: Path, uid: str) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    dataset = pydicom.dcmread(path)
    dataset["SOPInstanceUID"]._value = uid
    dataset.save_as(path)
    with served(tmp_path / "data") as web:
        assert web.post(body(path.read_bytes())).status_code == 409
        assert not list(tmp_path.rglob("x*"))
        assert web.stored() == []


def test_bodies_that_are_no_multipart_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    good, *_ = contents(tmp_path)
    with served(tmp_path / "data") as web:
        assert web.post(good, kind="application/dicom").status_code == 415
        json = 'multipart/related; type="application/json"; boundary=edge'
        assert web.post(b"{}", kind=json).status_code == 415
        assert web.post(b"noise").status_code == 400
        assert web.post(b"").status_code == 400
        assert web.post(body(good)[:-4000]).status_code == 400
        assert web.post(body(good), "studies/../../x").status_code == 404
        assert web.post(body(good), "studies/1..2").status_code == 400
        assert web.stored() == web.inbox.unfinished() == []


def test_below_the_watermark_the_answer_is_to_come_again(tmp_path: Path) -> None:
    files = contents(tmp_path)
    with served(tmp_path / "data", minimum_free_mb=10**9) as web:
        answer = web.post(body(*files))
        assert answer.status_code == 503
        assert [item["00081197"]["Value"] for item in answer.json()[OTHER]["Value"]] == [[0xA700]] * 3
        assert web.stored() == []


def test_only_this_machine_and_addresses_of_peers_may_store(tmp_path: Path) -> None:
    peer = CT1.model_copy(update={"addresses": ("192.0.2.7",)})
    settings = node_settings(tmp_path, peers=(peer,))
    assert sender_at("192.0.2.7", settings) == "CT1"
    assert sender_at("127.0.0.1", settings) == "STOW-RS"
    assert sender_at("192.0.2.8", settings) is None
    assert sender_at("", settings) is None
