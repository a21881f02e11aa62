"""A node writes only the kinds of results that some destination is set to receive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.node.queue.job import StudyJob, job_folder
from app.node.segment.segmenting import Segmenter
from app.node.send.sender import attempt
from app.node.settings.peer import Peer
from app.node.watch.audit import audit_trail
from app.run.results import ALWAYS
from app.run.series_job import Job
from app.run.stage_clock import StageClock
from app.settings import Settings
from operators.errors import UnsuitableError
from operators.package_files.package_reader import read_package
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import NOTICE
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import grid, segmentation
from tests.support.node.node_cases import node_settings
from tests.support.node.report_cases import mllp_receiver, receiver
from tests.support.packages.synthetic_packages import write_package

AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((96, 96, 32), AFFINE)


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        (("seg", "sr"), ()),
        (("seg", "turntable"), ("turntable",)),
        (("seg", "labelmap", "rtstruct"), ("labelmap", "rtstruct")),
    ],
)
def test_only_what_is_sent_is_made(tmp_path: Path, results: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    peer = Peer.model_validate(
        {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104, "receives": True}
        | {"results": results}
    )
    settings = Settings(node=node_settings(tmp_path, peers=(peer,)))
    job = StudyJob("1.2-1", "1.2", 1, "2026-01-01T00:00:00", "CT1", HU.shape[2])
    phantoms.write_ct(job_folder(tmp_path, job.job_id).input, HU, AFFINE)
    asked: list[Job] = []

    def graph(work: Job, _: StageClock) -> Segmentation:
        asked.append(work)
        raise UnsuitableError("expected nothing")

    package = read_package(write_package(tmp_path / "models" / "bones"))
    segmenter = Segmenter(settings, (package,), graph)
    assert segmenter.decide(job.as_json())["selected"] == 1
    segmenter.segment(job.as_json(), [0])
    (work,) = asked
    assert tuple(kind for kind in work.kinds if kind not in ALWAYS) == wanted


def test_a_report_is_written_and_checked_for_a_receiver_of_reports_and_sent_to_it(tmp_path: Path) -> None:
    with mllp_receiver() as ris:
        peer = receiver(hl7=f"mllp://127.0.0.1:{ris.port}")
        node = node_settings(tmp_path, peers=(peer,))
        job = StudyJob("1.2-1", "1.2", 2, "2026-01-01T00:00:00", "CT1", HU.shape[2])
        phantoms.write_ct(job_folder(tmp_path, job.job_id).input, HU, AFFINE)
        package = read_package(write_package(tmp_path / "models" / "bones"))
        empty = segmentation(np.zeros(HU.shape, np.uint8), grid(HU.shape))
        segmenter = Segmenter(Settings(node=node), (package,), lambda _, __: replace(empty, package=package))
        assert segmenter.decide(job.as_json())["selected"] == 1
        outcome = segmenter.segment(job.as_json(), [0])
        (file,) = outcome["files"]
        assert (outcome["state"], file["kind"], file["file"]) == ("segmented", "report", "report.json")
        delivery = {"job_id": job.job_id, "peer": peer.name, "files": [file], "captures": []}
        assert attempt(delivery, node, audit_trail(node)).state == "delivered"
    assert b"||Version 2 of the results of this study" in ris.messages[0]
    assert NOTICE.encode() in ris.messages[0]
