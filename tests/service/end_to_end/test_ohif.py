"""OHIF in a real browser shows Osteon's SEG over the right pixels of the series in a real PACS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from operators.dicom.capture.summary_page import write_summary
from operators.dicom.headers.series import Series
from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_writer import write_report
from operators.dicom.sr.text_report import write_text_report
from operators.geometry.volume import LabelMap
from operators.image_files.label_files import read_label_map
from operators.measure.measuring import measure_segments
from operators.render.page.figures import page_sentences, page_table
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import NOTICE
from tests.support.browsers.browser import chromium
from tests.support.browsers.ohif_page import DRAWN, VIEWPORT, Viewer
from tests.support.browsers.ohif_server import ROOT, served
from tests.support.dicom import phantoms
from tests.support.dicom.round_trip_cases import LABELS, RIGHT, assert_came_back
from tests.support.dicom.seg_cases import bone, package, provenance
from tests.support.node.node_processes import DICOM_WEB, Orthanc, until

SCREENSHOTS = ROOT / "build" / "screenshots" / "ohif"
# Clearly apart in hue, so that a tint tells which segment it is of
SEGMENTS = (
    replace(bone(11, fragment=1), rgb=(230, 60, 60)),
    replace(bone(12, fragment=2), rgb=(60, 200, 60)),
    replace(bone(21, laterality=RIGHT), bone="right_hip_bone", label="Right hip bone", rgb=(80, 120, 255)),
)
GREY = 8.0  # of 255: a tint below this is none
ALIKE = 0.98  # cosine of the angle between a tint and its segment's
DRAWN_S = 15.0
# A reader splits the first fragment at column 15, names the new piece, and stores the result in the PACS
SPLIT_AND_STORE = """(async () => {
  const service = window.services.segmentationService;
  const [{segmentationId, representationData}] = service.getSegmentations();
  service.addSegment(segmentationId, {segmentIndex: 4, label: 'Left hip bone, fragment'});
  for (const imageId of representationData.Labelmap.imageIds) {
    const {columns, voxelManager} = window.cornerstone.cache.getImage(imageId);
    voxelManager.getScalarData().forEach((value, n) => {
      if (value === 1 && n % columns < 15) voxelManager.setAtIndex(n, 4);
    });
  }
  const options = {SeriesDescription: 'edited', SeriesNumber: 300};
  const made = window.commandsManager.runCommand('generateSegmentation', {segmentationId, options});
  const where = {dataSource: 'orthanc', defaultFileName: 'edited.dcm'};
  await window.commandsManager.runCommand('createStoreFunction', where)(made.dataset, {});
})()"""

DOWNLOAD_CONTOURS = """(async () => {
  const [{segmentationId}] = window.services.segmentationService.getSegmentations();
  await window.commandsManager.runCommand('downloadRTSS', {segmentationId});
})()"""


@dataclass(frozen=True)
class Case:
    """A series: its shape and place, the slices it has, what its headers say of their order."""

    name: str
    affine: NDArray[np.float64]
    shape: tuple[int, int, int] = (64, 50, 20)
    keep: tuple[int, ...] | None = None
    edit: Callable[[Any, int], None] | None = None
    options: dict[str, str] = field(default_factory=dict)
    shown: tuple[int, ...] = (4, 12, 16, 8)
    series: int = 1


def shuffled(dataset: Any, k: int) -> None:
    dataset.InstanceNumber = (k * 7) % 20 + 1


def feet_first(dataset: Any, _: int) -> None:
    dataset.PatientPosition = "FFS"


def in_two_series(dataset: Any, k: int) -> None:
    """One scan whose upper half has its own Series Instance UID."""
    if k >= 10:
        dataset.SeriesInstanceUID += ".2"


AXIAL = phantoms.axial_affine((1.5, 1.5, 3.0), (-45.0, -37.0, 10.0))
OBLIQUE = phantoms.oblique_affine() @ np.diag([1.9, 2.1, 1.0, 1.0])
CASES = (
    Case("plain", AXIAL),
    Case("gaps", AXIAL, keep=tuple(k for k in range(20) if k not in (7, 12))),
    Case("shuffled", AXIAL, edit=shuffled),
    Case("oblique", OBLIQUE),
    Case("feet_first", AXIAL @ np.diag([-1.0, 1.0, -1.0, 1.0]), edit=feet_first),
    Case("columns_no_multiple_of_8", AXIAL, shape=(57, 48, 20)),
    Case("label_map", AXIAL, options={"profile": "labelmap"}),
    # OHIF shows a SEG over one of the series that it refers to: that of which it heard first
    Case("two_series", AXIAL, edit=in_two_series, shown=(4, 12, 16, 8), series=2),
    Case("label_map_of_an_odd_matrix", AXIAL, shape=(57, 51, 20), options={"profile": "labelmap"}),
)


def labels_of(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Three blocks and a single voxel, none of which mirroring or transposing leaves as it is."""
    labels = np.zeros(shape, np.uint8)
    labels[10:25, 8:20, 3:9] = 11
    labels[30:50, 25:40, 6:15] = 12
    labels[12:18, 30:44, 10:18] = 21
    labels[40, 10, 12] = 21
    return labels


def shown_labels(pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(I, J) the value of the segment whose hue each pixel (I, J, 3) has; 0: grey, 255: none of these."""
    tints, hues = tint(pixels), tint(np.array([segment.rgb for segment in SEGMENTS], np.float64))
    lengths = np.linalg.norm(tints, axis=-1)
    likeness = tints @ (hues / np.linalg.norm(hues, axis=-1, keepdims=True)).T
    values = np.array([segment.value for segment in SEGMENTS], np.uint8)
    coloured = np.where(likeness.max(axis=-1) > ALIKE * lengths, values[likeness.argmax(axis=-1)], 255)
    return np.where(lengths < GREY, 0, coloured).astype(np.uint8)


def tint(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference of a colour from grey."""
    return rgb - rgb.mean(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Hospital:
    """The PACS, and OHIF in front of it."""

    pacs: Orthanc
    viewer: Viewer


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    root = tmp_path_factory.mktemp("ohif")
    pacs = Orthanc(root / "pacs").start(Plugins=[DICOM_WEB])
    try:
        with served(f"http://127.0.0.1:{pacs.http_port}") as address, chromium(root / "profile") as page:
            yield Hospital(pacs, Viewer(page, address))
    finally:
        pacs.stop()


def stored(pacs: Orthanc, case: Case, study: int, folder: Path) -> tuple[Series, LabelMap]:
    """The series and its SEG in the PACS."""
    i, j, k = np.indices(case.shape)
    hu = (40 + 3 * (i - 30) + 2 * (j - 25) + 5 * (k - 10)).astype(np.int16)

    def edit(dataset: Any, k: int) -> None:
        dataset.PatientID = case.name  # OHIF lists a patient's other studies too
        if case.edit:
            case.edit(dataset, k)

    phantoms.write_ct(folder / "ct", hu, case.affine, edit=edit, keep=case.keep, study=study)
    (series,) = scan(folder / "ct").series
    assert series.grid is not None
    made = Segmentation(LabelMap(labels_of(case.shape), series.grid), SEGMENTS, package())
    (folder / "seg").mkdir()
    write_seg(made, provenance(made, series), folder / "seg" / "seg.dcm", **case.options)
    pacs.upload(folder)
    return series, made.label_map


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_voxel_has_the_colour_of_its_segment(hospital: Hospital, case: Case, tmp_path: Path) -> None:
    study = CASES.index(case) + 1
    series, truth = stored(hospital.pacs, case, study, tmp_path)
    names = hospital.viewer.open_seg(series.study_instance_uid)
    assert names == [segment.label for segment in SEGMENTS]
    frames = [series.frames[n] for n in case.shown]
    held = [frame for frame in frames if hospital.viewer.holds(frame.position_lps_mm)]
    assert len(held) * case.series == len(frames)
    for frame in held:
        expected = truth.labels[:, :, round(frame.k)]
        drawn(hospital.viewer, frame.position_lps_mm, truth, expected)
    hospital.viewer.keep(SCREENSHOTS / f"{case.name}.png")


def drawn(
    viewer: Viewer, position_lps_mm: tuple[float, ...], truth: LabelMap, expected: NDArray[np.integer]
) -> None:
    """Fails where a voxel has not the colour of its segment when the drawing is over."""
    deadline = time.monotonic() + DRAWN_S
    while True:
        pixels = viewer.slice_at(position_lps_mm, truth.grid.ijk_to_lps[:3, :2], expected.shape)
        wrong = np.argwhere(shown_labels(pixels) != expected)
        if not len(wrong) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert not len(wrong), f"at {position_lps_mm} {len(wrong)} voxels, the first {wrong[:5].tolist()}"


def opened(hospital: Hospital, name: str, study: int, folder: Path) -> tuple[Series, LabelMap]:
    """A plain series of a patient of that name with its SEG, both shown by OHIF."""
    series, truth = stored(hospital.pacs, replace(CASES[0], name=name), study, folder)
    hospital.viewer.open_seg(series.study_instance_uid)
    return series, truth


def test_a_seg_that_ohif_edited_and_stored_comes_back_with_its_meaning(
    hospital: Hospital, tmp_path: Path
) -> None:
    _, truth = opened(hospital, "edited", len(CASES) + 1, tmp_path)
    hospital.viewer.page.run(SPLIT_AND_STORE)
    (edited,) = (each for each in hospital.pacs.segs() if each["SeriesDescription"] == "edited")
    (found,) = hospital.pacs.post("tools/lookup", edited["SOPInstanceUID"].encode())
    path = tmp_path / "edited.dcm"
    path.write_bytes(hospital.pacs.file(found["ID"]))
    expected = truth.labels.copy()
    expected[:15][expected[:15] == 11] = 13
    assert_came_back(read_label_map(path, LABELS), truth.grid, expected)


def test_contours_that_ohif_made_of_a_seg_come_back_with_their_meaning(
    hospital: Hospital, tmp_path: Path
) -> None:
    series, truth = opened(hospital, "contours", len(CASES) + 2, tmp_path)
    hospital.viewer.page.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    hospital.viewer.page.run(DOWNLOAD_CONTOURS)
    (path,) = until(lambda: list(tmp_path.glob("rtss*.dcm")))
    expected = truth.labels.copy()
    expected[40, 10, 12] = 0  # OHIF draws nothing around a single voxel
    assert_came_back(read_label_map(path, LABELS, series.grid), truth.grid, expected)


def test_the_summary_page_and_the_text_report_are_shown_and_the_report_is_listed(
    hospital: Hospital, tmp_path: Path
) -> None:
    series, truth = stored(hospital.pacs, replace(CASES[0], name="summary"), len(CASES) + 3, tmp_path)
    made = measure_segments(Segmentation(truth, SEGMENTS, package()))
    shared, folder, viewer = provenance(made, series), tmp_path / "beside", hospital.viewer
    folder.mkdir()
    write_summary(made, [], shared, folder / "summary.dcm")
    write_text_report(made, shared, folder / "text.dcm")
    write_report(made, shared, tmp_path / "seg" / "seg.dcm", folder / "report.dcm")
    hospital.pacs.upload(folder)
    listed = viewer.open_study(series.study_instance_uid, 5)
    assert listed.keys() >= {SegmentationStorage, Comprehensive3DSRStorage}
    viewer.show(listed[SecondaryCaptureImageStorage], f"{VIEWPORT}.getImageIds().length === 1 && {DRAWN}")
    assert is_page(viewer.canvas())
    viewer.keep(SCREENSHOTS / "summary.png")
    viewer.show(listed[EnhancedSRStorage], "document.querySelector('pre') !== null")
    said = " ".join(viewer.page.run("document.querySelector('pre').closest('.h-full').innerText").split())
    rows = page_table(made).rows  # type: ignore[union-attr]
    expected = (NOTICE, *page_sentences(made), *(row[0] for row in rows))
    assert [each for each in expected if " ".join(each.split()) not in said] == []
    viewer.keep(SCREENSHOTS / "text.png")


def is_page(pixels: NDArray[np.float64]) -> bool:
    """Whether there is a white page below the red bar that says it is not for diagnosis."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    white, bar = (red > 240) & (blue > 240), (red > 90) & (green < 60) & (blue < 60)
    return bool(white.mean() > 0.5 and np.nonzero(bar.any(axis=1))[0][:1] < len(white) / 4)
