"""A node with a segmented CT or radiograph whose stored results the page can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.node.queue.job import JobFolder, job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.run.folder import RunOutcome, write_summary
from app.run.record import SeriesRecord
from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.headers.series import Series
from operators.dicom.read.scan import scan
from operators.dicom.seg.projection_seg import write_projection_seg
from operators.dicom.seg.seg_writer import write_seg
from operators.geometry.volume import LabelMap
from operators.measure.measuring import measure_segments
from operators.packages.structures import Code
from operators.render.fracture_pictures import FracturePicture
from operators.segmentation.segmentation import Contact, Segmentation
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.dicom.seg_cases import MADE_AT, bone, package, provenance
from tests.support.node.page_site import work_off
from tests.support.radiographs import projection_files, radiograph_result_cases

SHAPE, SPACING_MM = (64, 56, 40), (1.5, 1.5, 2.0)
RED, GREEN, BLUE = (230, 40, 40), (40, 200, 60), (60, 80, 230)
RIGHT = Code("24028007", "SCT", "Right")
KEY_SLICE = 18
OUTCOME: dict[str, Any] = {
    "state": "segmented",
    "code": "",
    "sentence": "",
    "files": [{"kind": "seg", "file": "segmentation.dcm"}, {"kind": "kos", "file": "key-objects.dcm"}],
    "report": "report.json",
    "finding": {"code": "fracture", "probability": 0.93},
}


def label_array(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """Returns a bone in two fragments (11, 12), which meet, and an intact one (21) beside it."""
    i, j, k = (axis / size for axis, size in zip(np.ogrid[tuple(map(slice, shape))], shape, strict=True))
    labels = np.zeros(shape, np.uint8)
    left = ((i - 0.7) / 0.14) ** 2 + ((j - 0.5) / 0.18) ** 2 + ((k - 0.5) / 0.42) ** 2 < 1
    labels[left & (k + 0 * i < 0.45)] = 11
    labels[left & (k + 0 * i >= 0.48)] = 12
    labels[((i - 0.28) / 0.12) ** 2 + ((j - 0.5) / 0.16) ** 2 + ((k - 0.5) / 0.4) ** 2 < 1] = 21
    return labels


def ct_array(labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Returns air, a body of soft tissue, and bright bones."""
    i, j = np.ogrid[: labels.shape[0], : labels.shape[1]]
    body = ((i / labels.shape[0] - 0.5) / 0.47) ** 2 + ((j / labels.shape[1] - 0.5) / 0.4) ** 2 < 1
    hu = np.where(body[:, :, np.newaxis], 40, -1000).astype(np.int16) + np.zeros(labels.shape, np.int16)
    hu[labels > 0] = 700
    return hu


def segmented_study(
    here: Node, study: int = 1, shape: tuple[int, int, int] = SHAPE, **attributes: str
) -> str:
    """Receives a CT, ends its job with a SEG, key slices and a report, and returns the job's fingerprint."""
    put_ct(here, study, shape, **attributes)
    name, folder = ended_job(here, f"{phantoms.UID_ROOT}.{study}", OUTCOME)
    write_prediction(folder, shape)
    return name


def write_prediction(folder: JobFolder, shape: tuple[int, int, int] = SHAPE) -> None:
    """Writes what a worker would have written for the CT of a job."""
    (series,) = scan(folder.input).series
    write_results(segmentation_on(series, label_array(shape)), series, folder.output)


def put_ct(here: Node, study: int = 1, shape: tuple[int, int, int] = SHAPE, **attributes: str) -> None:
    """Puts a CT into the watched folder."""
    labels = label_array(shape)
    i_mm, j_mm, k_mm = (mm * size / own for mm, size, own in zip(SPACING_MM, SHAPE, shape, strict=True))
    affine = phantoms.axial_affine((i_mm, j_mm, k_mm), (-48.0, -42.0, -40.0))
    edit = setting(**({"StudyDescription": "pelvis"} | attributes))
    phantoms.write_ct(here.watch, ct_array(labels), affine, study=study, edit=edit)


def ended_job(here: Node, study_instance_uid: str, outcome: dict[str, Any]) -> tuple[str, JobFolder]:
    """Ends the job of a study that waits in the watched folder; returns its fingerprint and folder."""
    queue_study(here)
    before = sum(state not in ("queued", "running") for state in here.states())
    work_off(here, outcome, before + 1)
    (job,) = [each for each in list_jobs(here.client) if each.study_instance_uid == study_instance_uid]
    return job.job_id.rpartition("-")[2], job_folder(here.settings.data, job.job_id)


def queue_study(here: Node) -> None:
    """Queues the study that waits in the watched folder."""
    here.folder.look()
    while here.folder.look():
        pass
    here.dispatcher.tick(0)


def radiograph_study(here: Node, study: int) -> str:
    """Receives a radiograph, ends its job with a SEG of one finding, and returns the job's fingerprint."""
    stored = projection_files.picture(shape=radiograph_result_cases.ODD)
    dataset = projection_files.radiograph(stored, study=study, StudyDescription="pelvis")
    projection_files.save(dataset, here.watch / "radiograph.dcm")
    seg = {"kind": "seg", "file": "segmentation.dcm"}
    name, folder = ended_job(here, f"{projection_files.UID_ROOT}.{study}", OUTCOME | {"files": [seg]})
    (series,) = scan(folder.input).series
    made = radiograph_result_cases.made()
    folder.output.mkdir(exist_ok=True)
    origin = radiograph_result_cases.provenance(made, series)
    write_projection_seg(made, origin, folder.output / "segmentation.dcm")
    write_record(made, series, folder.output)
    return name


def segmentation_on(series: Series, labels: NDArray[np.uint8]) -> Segmentation:
    """Returns the measured segments."""
    assert series.grid is not None
    sure: dict[str, Any] = {"bone_probability": 0.98, "fracture_probability": 0.93}
    segments = (
        replace(bone(11, fragment=1), rgb=GREEN, fragment_probability=0.81, **sure),
        replace(bone(12, fragment=2), rgb=BLUE, fragment_probability=0.4, **sure),
        replace(
            bone(21, laterality=RIGHT),
            bone="right_hip_bone",
            label="Right hip bone",
            rgb=RED,
            bone_probability=0.97,
        ),
    )
    made = Segmentation(LabelMap(labels, series.grid), segments, replace(package(), title="pelvis"))
    return replace(measure_segments(made), contacts=(Contact("left_hip_bone", (1, 2), 0.93),))


def write_results(made: Segmentation, series: Series, output: Path) -> None:
    """Writes what a worker would have written."""
    output.mkdir(exist_ok=True)
    origin = provenance(made, series)
    write_seg(made, origin, output / "segmentation.dcm")
    picture = FracturePicture(np.zeros((4, 4, 3), np.uint8), KEY_SLICE, "Left hip bone")
    write_key_objects((picture,), origin, output / "key-objects.dcm")
    write_record(made, series, output)


def write_record(made: Segmentation, series: Series, output: Path) -> None:
    """Writes the report of a result."""
    record = SeriesRecord(
        series.study_instance_uid,
        series.series_instance_uid,
        series.part,
        series.modality,
        len(series.frames),
        "selected",
        "segmented",
        segmentation=made,
        names={"seg": ("segmentation.dcm",)},
    )
    write_summary(RunOutcome((record,), 0, output), MADE_AT, [])
