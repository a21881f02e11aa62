"""A hospital's PACS routes studies to Osteon, and finds the SEGs under the right studies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.node.queue.jobs.job_state import ENDS
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def uid(study: int) -> str:
    return f"{phantoms.UID_ROOT}.{study}"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orthanc, Served]]:
    """Orthanc and a node that know each other; Orthanc is asked to commit to what it gets."""
    root = tmp_path_factory.mktemp("hospital")
    (root / "watch").mkdir()
    pacs = Orthanc(root / "pacs")
    files = {"watch": str(root / "watch"), "audit": str(root / "trail.xml")}
    node = Served(root, (pacs.as_peer(commitment=True),), **files, quiet_s=2.0)
    pacs.start(node.port)
    node.start()
    yield pacs, node
    pacs.stop()
    if node.process is not None and node.process.poll() is None:
        node.kill()


def routed(hospital: tuple[Orthanc, Served], folder: Path, study: int, **changes: str) -> None:
    """Draws a study, uploads it to the PACS, and routes it."""
    pacs, _ = hospital
    edit = setting(**changes) if changes else None
    phantoms.write_ct(folder, HU, AFFINE, study=study, edit=edit)
    pacs.upload(folder)
    pacs.route(uid(study))


def returned(hospital: tuple[Orthanc, Served], folder: Path, study: int, **changes: str) -> tuple[str, int]:
    """Of a study that is drawn and routed: its end, and how many SEGs the PACS then has of it."""
    routed(hospital, folder, study, **changes)
    return state_of(hospital[1], study), len(segs_of(hospital[0], study))


def state_of(node: Served, study: int) -> str:
    """The state of the study's last job once it has ended."""

    def end() -> str:
        jobs = [job for job in node.jobs() if job.study_instance_uid == uid(study)]
        return jobs[-1].state if jobs and jobs[-1].state in ENDS else ""

    return str(until(end, 120))


def segs_of(pacs: Orthanc, study: int) -> list[dict[str, str]]:
    return [seg for seg in pacs.segs() if seg["StudyInstanceUID"] == uid(study)]


def test_a_routed_study_comes_back_as_a_seg_under_its_study(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    assert returned(hospital, tmp_path, 1) == ("delivered", 1)
    (seg,) = segs_of(hospital[0], 1)
    assert seg["PatientID"] == "PHANTOM"
    assert seg["Modality"] == "SEG"
    (report,) = (each for each in hospital[0].results("SR") if each["StudyInstanceUID"] == uid(1))
    assert report["PatientID"] == "PHANTOM"
    assert "not for diagnosis" in report["SeriesDescription"]


def test_a_study_of_another_modality_is_refused_with_its_reason(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    assert returned(hospital, tmp_path, 2, Modality="MR") == ("refused", 0)
    job = next(job for job in hospital[1].jobs() if job.study_instance_uid == uid(2))
    assert job.code == "other_modality"
    assert "MR" in job.sentence


def test_late_slices_make_a_new_result_that_names_the_old_one(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    pacs, node = hospital
    phantoms.write_ct(tmp_path / "first", HU, AFFINE, study=3, keep=range(12))
    pacs.upload(tmp_path / "first")
    pacs.route(uid(3))
    assert state_of(node, 3) == "delivered"
    phantoms.write_ct(tmp_path / "late", HU, AFFINE, study=3, keep=range(12, 16))
    pacs.upload(tmp_path / "late")
    pacs.route(uid(3))
    until(lambda: len(segs_of(pacs, 3)) == 2, 60)
    descriptions = sorted(seg["SeriesDescription"] for seg in segs_of(pacs, 3))
    assert [("replaces v1" in text) for text in descriptions] in ([True, False], [False, True])


def test_a_study_that_is_sent_again_is_not_segmented_again(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    pacs, node = hospital
    assert returned(hospital, tmp_path, 4) == ("delivered", 1)
    before = len(node.jobs())
    pacs.route(uid(4))
    assert returned(hospital, tmp_path / "next", 5) == ("delivered", 1)
    assert len(node.jobs()) == before + 1
    assert len(segs_of(pacs, 4)) == 1


def test_files_laid_into_the_watched_folder_are_taken(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    pacs, node = hospital
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE, study=6)
    watched = node.node.watch
    assert watched is not None
    shutil.copytree(tmp_path / "ct", watched / "ct")
    (watched / "readme.txt").write_text("no DICOM")
    assert state_of(node, 6) == "delivered"
    assert len(segs_of(pacs, 6)) == 1
    left = [path.name for path in watched.rglob("*") if path.is_file()]
    assert left == ["readme.txt"]


def test_the_pacs_gets_our_commitment_when_it_asks(hospital: tuple[Orthanc, Served], tmp_path: Path) -> None:
    pacs, _ = hospital
    phantoms.write_ct(tmp_path, HU, AFFINE, study=7, keep=[0, 1])
    pacs.upload(tmp_path)
    (study,) = pacs.post("tools/lookup", uid(7).encode())
    request = {"Resources": [study["ID"]], "StorageCommitment": True, "Synchronous": True}
    answer = pacs.post("modalities/osteon/store", json.dumps(request).encode())
    transaction = answer["StorageCommitmentTransactionUID"]
    report = until(lambda: (r := pacs.get(f"storage-commitment/{transaction}"))["Status"] != "Pending" and r)
    assert report["Status"] == "Success"
    assert len(report["Success"]) == 2


def test_the_audit_trail_says_who_sent_what_and_where_it_went(hospital: tuple[Orthanc, Served]) -> None:
    _, node = hospital
    assert node.node.audit is not None
    text = node.node.audit.read_text()
    messages = [ElementTree.fromstring(line) for line in text.splitlines()]
    events = [event for message in messages for event in message.iter("EventIdentification")]
    transfers = [event for event in events if event.find("EventID[@csd-code='110104']") is not None]
    actions = {event.get("EventActionCode") for event in transfers}
    assert actions == {"C", "R"}
    assert uid(1) in text
    assert "AETITLES=PACS" in text
    assert "PHANTOM" not in text


def test_nothing_of_the_patient_is_in_log_metrics_or_names(hospital: tuple[Orthanc, Served]) -> None:
    _, node = hospital
    names = "".join(str(path) for path in node.node.data.rglob("*"))
    said = node.log() + node.metrics() + names
    assert "osteon_jobs" in said
    assert not [word for word in ("PHANTOM", "Phantom^", "Пример") if word in said.replace("phantom", "")]


def test_the_commands_say_what_became_of_every_job(hospital: tuple[Orthanc, Served]) -> None:
    _, node = hospital
    until(lambda: all(job.state in ENDS for job in node.jobs()))
    listed = json.loads(osteon(node, "jobs", "list", "--json").stdout)
    assert {job["state"] for job in listed} <= {"delivered", "refused"}
    refused = next(job for job in listed if job["state"] == "refused")
    shown = json.loads(osteon(node, "jobs", "show", refused["short_id"], "--json").stdout)
    assert shown["sentence"] == refused["sentence"]
    assert osteon(node, "jobs", "cancel", refused["job_id"]).returncode == 2
    assert osteon(node, "jobs", "show", "nothing").returncode == 2
    assert osteon(node, "jobs", "retry", refused["job_id"]).returncode == 0


def test_check_finds_a_well_node_well_and_says_what_a_dead_pacs_needs(
    hospital: tuple[Orthanc, Served],
) -> None:
    pacs, node = hospital
    well = osteon(node, "check")
    assert well.returncode == 0, well.stdout
    assert "answers C-ECHO" in well.stdout
    ill = osteon(node, "check", "--peer", "dead=DEAD@127.0.0.1:1")
    assert ill.returncode == 6
    assert "is it running there" in ill.stdout
    assert pacs.port


def test_the_node_stops_in_order_when_it_is_told_to(hospital: tuple[Orthanc, Served]) -> None:
    _, node = hospital
    assert node.stop() == 0
    assert "Traceback" not in node.log()


def osteon(node: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from app.cli.commands import main; main()", *arguments],
        env={**os.environ, "HOLOSCAN_CONFIG_PATH": str(node.configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
