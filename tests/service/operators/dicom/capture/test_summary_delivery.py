"""Orthanc takes the summary page in both forms, and returns it unchanged."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from pydicom import dcmread

from app.node.peers.destination import Outgoing, store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.capture.summary_page import PAGE_WRITERS
from operators.dicom.elements.instance_identity import read_outgoing
from operators.measure.measuring import measure_segments
from operators.render.page.sheet import Captioned
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation, series
from tests.support.node.node_processes import Orthanc

MADE = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))
PICTURES = (Captioned(np.full((40, 30, 3), 90, np.uint8), "slice 3"),)


def outgoing(kind: str, folder: Path) -> Outgoing:
    path = folder / f"{kind}.dcm"
    PAGE_WRITERS[kind](MADE, PICTURES, provenance(MADE, series(grid())), path)
    return Outgoing(path, *read_outgoing(path), kind)


def test_orthanc_stores_the_page_as_picture_and_as_pdf(tmp_path: Path) -> None:
    pacs = Orthanc(tmp_path / "pacs").start()
    try:
        files = [outgoing(kind, tmp_path) for kind in PAGE_WRITERS]
        peer = Peer.model_validate(pacs.as_peer())
        assert store(files, peer, NodeSettings(data=tmp_path, peers=(peer,))) == []
        stored = pacs.get("series?expand")
        found = {each["MainDicomTags"]["Modality"]: each["Instances"][0] for each in stored}
        with urlopen(f"http://127.0.0.1:{pacs.http_port}/instances/{found['DOC']}/pdf", timeout=10) as answer:
            content = answer.read()
        sent = dcmread(tmp_path / "pdf.dcm")
        length = sent.EncapsulatedDocumentLength
        assert content[:length] == sent.EncapsulatedDocument[:length]
        picture = pacs.get(f"instances/{found['OT']}/simplified-tags")
        assert picture["SeriesDescription"].startswith("AI ")
        (tmp_path / "back.dcm").write_bytes(pacs.file(found["OT"]))
        back, own = dcmread(tmp_path / "back.dcm"), dcmread(tmp_path / "summary.dcm")
        np.testing.assert_array_equal(back.pixel_array, own.pixel_array)
    finally:
        pacs.stop()


def test_the_text_of_the_pdf_can_be_copied(tmp_path: Path) -> None:
    outgoing("pdf", tmp_path)
    (tmp_path / "page.pdf").write_bytes(dcmread(tmp_path / "pdf.dcm").EncapsulatedDocument)
    command = ["pdftotext", "-layout", str(tmp_path / "page.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in ("AI, NOT FOR DIAGNOSIS", "Doe, Jane", "2 fragments", "not measurable"):
        assert words in text
