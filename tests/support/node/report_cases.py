"""A job whose results are reported, and receivers of reports that answer as a test says."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from app.node.queue.job import Json, job_folder
from app.node.segment.series_outcome import sha256_of
from app.node.settings.peer import Peer
from app.run.record import SeriesRecord
from app.run.report import report, write_report
from operators.measure.measuring import measure_segments
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.dicom.seg_cases import blobs, bone, grid, segmentation

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = np.zeros((8, 8, 2), np.int16)
STUDY, SERIES = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
JOB = f"{STUDY}-0123456789abcdef"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HARD = "Müller|~&Lüdenscheid"
PATIENT = {
    "PatientName": f"{HARD}^Jörg^Karl^Dr.^jun.",
    "PatientID": "PAT&1",
    "IssuerOfPatientID": "HOSP",
    "PatientBirthDate": "19500102",
    "PatientSex": "M",
    "AccessionNumber": "ACC|7",
    "StudyInstanceUID": STUDY,
    "StudyDate": "20260304",
    "StudyTime": "050607",
    "StudyDescription": "CT hip",
    "SpecificCharacterSet": "ISO_IR 192",
}
# A fragment's figures come from these
MADE = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))


def reported_job(data: Path, revision: int = 1, series: int = 1, **patient: str) -> list[Json]:
    """Writes a job's images and the report.json of each series; returns the files of its deliveries."""
    folder = job_folder(data, JOB)
    phantoms.write_ct(folder.input, HU, AFFINE, edit=setting(**(PATIENT | patient)))
    return [
        report_file(folder.output / f"report{number or ''}.json", f"{SERIES}.{number}", revision)
        for number in range(series)
    ]


def report_file(path: Path, series: str, revision: int = 1, study: str = STUDY) -> Json:
    """Writes report.json as a worker does, and returns it as a delivery names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = SeriesRecord(study, series, "", "CT", 7, "selected", "A CT that is read.", (), MADE)
    content = report([record], made_at=AT, software_versions={"osteon": "0.1.0"}, exit_code=0)
    write_report(content | {"revision": revision}, path)
    names = dict.fromkeys(("sop_class_uid", "sop_instance_uid", "transfer_syntax_uid"), "")
    return {"kind": "report", "file": path.name, "sha256": sha256_of(path), **names}


def receiver(**report: Any) -> Peer:
    """Returns a receiver of reports."""
    return Peer.model_validate({"name": "ris", "receives": True, "report": report})


# What a receiver answers to a message: blocks of bytes, sent one after the other
Answer = Callable[[bytes], Sequence[bytes]]


def acknowledgement(code: str, error: str = "", control_id: str = "") -> Answer:
    """Returns an answer with an acknowledgement code."""

    def answer(message: bytes) -> Sequence[bytes]:
        named = control_id or message.decode().split("|")[9]
        rows = ["MSH|^~\\&|RIS||OSTEON||20260304||ACK^R01^ACK|1|P|2.5.1", f"MSA|{code}|{named}"]
        rows += [f"ERR||PID^1^3|{error}^Error^HL70357|E"] if error else []
        return [b"\x0b" + "".join(f"{row}\r" for row in rows).encode() + b"\x1c\r"]

    return answer


class MllpReceiver:
    """Receives messages by MLLP and answers the first ones by `answers`, then accepts."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.socket, self.context = socket.create_server(("127.0.0.1", 0)), context
        self.answers: list[Answer] = []
        self.messages: list[bytes] = []
        self.port = self.socket.getsockname()[1]

    def serve(self) -> None:
        """Takes connections until the socket is closed."""
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                self.talk(
                    self.context.wrap_socket(connection, server_side=True) if self.context else connection
                )

    def talk(self, connection: socket.socket) -> None:
        """Takes one message."""
        received = b""
        while not received.endswith(b"\x1c\r"):
            block = connection.recv(1 << 16)
            if not block:
                return
            received += block
        self.messages.append(received)
        answer = self.answers.pop(0) if self.answers else acknowledgement("AA")
        for block in answer(received):
            connection.sendall(block)
        if not answer(received):
            # Says nothing until the other side gives up
            connection.recv(1)


@contextmanager
def mllp_receiver(context: ssl.SSLContext | None = None) -> Iterator[MllpReceiver]:
    """Runs a receiver."""
    made = MllpReceiver(context)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.socket.shutdown(socket.SHUT_RDWR)
        made.socket.close()


class FhirServer(ThreadingHTTPServer):
    """Takes transactions, after it has answered with each of `answers`; None as content for its own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = []
        self.bundles: list[Json] = []
        self.authorizations: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}/fhir"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: FhirServer

    def do_GET(self) -> None:
        """Answers with what it can do."""
        self.answer({"resourceType": "CapabilityStatement"})

    def do_POST(self) -> None:
        """Takes a transaction."""
        self.server.authorizations.append(self.headers.get("Authorization", ""))
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bundles.append(bundle)
        written = [{"response": {"status": "201 Created"}} for _ in bundle["entry"]]
        self.answer({"resourceType": "Bundle", "type": "transaction-response", "entry": written})

    def answer(self, content: Json) -> None:
        """Sends what the test says, or `content`."""
        status, other = self.server.answers.pop(0) if self.server.answers else (200, None)
        body = json.dumps(content if other is None else other).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def fhir_server() -> Iterator[FhirServer]:
    """Runs a server."""
    server = FhirServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
