"""A listener on a free port, with DCMTK's tools as peers."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from app.node.queue.job import Json
from app.node.receive.admission import Rejected
from app.node.receive.listener import Listener
from app.node.receive.reception import Received, Store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.storage.inbox import Inbox

CT1 = Peer(name="ct1", ae_title="CT1")


def node_settings(root: Path, **given: Any) -> NodeSettings:
    """Returns settings of a node on loopback with one peer, CT1."""
    values = {"host": "127.0.0.1", "port": 0, "data": root, "peers": (CT1,), "network_s": 5.0}
    return NodeSettings(**(values | {"minimum_free_mb": 0} | given))


class Running:
    """A listener, the instances that it received, and its inbox."""

    def __init__(self, settings: NodeSettings) -> None:
        self.inbox = Inbox(settings.data)
        self.told: list[Received] = []
        self.associations: list[Counter[str]] = []
        store = Store(self.inbox, settings.minimum_free_mb * 1_000_000, self.told.append, self.ended)
        self.owed: list[Json] = []
        self.rejected: list[Rejected] = []
        self.listener = Listener(settings, store, self.owed.append, self.rejected.append)
        self.port = self.listener.port

    def ended(self, calling_ae: str, address: str, images: Counter[str]) -> None:
        """Records the images of a finished association."""
        assert (calling_ae, address) == ("CT1", "127.0.0.1")
        self.associations.append(images)

    def stored(self) -> list[str]:
        """Returns the names of all instances in the inbox."""
        return sorted(path.name for path in self.inbox.studies.rglob("*.dcm"))

    def left_over(self) -> list[Path]:
        """Returns temporary files of instances that are neither stored nor removed."""
        return self.inbox.unfinished()


@contextmanager
def listening(settings: NodeSettings) -> Iterator[Running]:
    """Runs a listener in a thread of this process."""
    running = Running(settings)
    thread = threading.Thread(target=running.listener.serve)
    thread.start()
    try:
        yield running
    finally:
        running.listener.stop(1.0)
        thread.join()


def system_tool(name: str) -> str:
    """Returns the system's tool; pynetdicom installs tools with DCMTK's names in the virtual environment."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin")
    assert found, f"expected {name}; `make tools` installs it"
    return found


def dcmtk(tool: str, *arguments: object, called: str = "OSTEON", calling: str = "CT1") -> tuple[int, str]:
    """Runs a DCMTK tool; returns exit code and output."""
    command = [system_tool(tool), "-aet", calling, "-aec", called, *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    return done.returncode, done.stdout + done.stderr


def storescu(port: int, *arguments: object, calling: str = "CT1") -> tuple[int, str]:
    """Sends files with storescu; `arguments` are further options and the paths."""
    return dcmtk("storescu", "127.0.0.1", port, *arguments, calling=calling)


def associate(
    port: int, sop_class_uid: str = "1.2.840.10008.1.1", syntax: str = ImplicitVRLittleEndian
) -> Association:
    """Opens an association of CT1 with the node."""
    entity = AE("CT1")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    entity.add_requested_context(sop_class_uid, syntax)
    association = entity.associate("127.0.0.1", port, ae_title="OSTEON")
    get_msg = association.dimse.get_msg
    # pynetdicom's reactor, which may not have paused yet, would take the answer for a request
    association.dimse.get_msg = lambda block=False: get_msg(block) if block else (None, None)  # type: ignore[method-assign]
    return association


def send(port: int, path: Path, command: dict[str, str] | None = None) -> int:
    """Sends one file by C-STORE, with changes to its command; returns the status, -1 without an answer."""
    dataset = pydicom.dcmread(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    content = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    association = associate(port, dataset.SOPClassUID, syntax)
    assert association.is_established
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    given = {"SOPClassUID": dataset.SOPClassUID, "SOPInstanceUID": dataset.SOPInstanceUID} | (command or {})
    request._affected_sop_class_uid = given["SOPClassUID"]
    request._affected_sop_instance_uid = given["SOPInstanceUID"]
    assert content is not None
    request.DataSet = BytesIO(content)
    return exchanged(association, request)


def exchanged(association: Association, request: C_STORE) -> int:
    """Sends a request unchecked, unlike `send_c_store`; returns the status."""
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        os.sched_yield()
    context_id = association.accepted_contexts[0].context_id
    assert context_id is not None
    association.dimse.send_msg(request, context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return -1 if response is None or response.Status is None else int(response.Status)
