"""Writes all DICOM results of one segmentation, verified as by the node and by dciodvfy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import check_picture, write_pictures
from operators.dicom.headers.series import Series
from operators.dicom.provenance.identity import REQUIRED_PERHAPS_EMPTY
from operators.dicom.provenance.result_check import check_result
from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_check import check_report
from operators.dicom.sr.report_writer import write_report
from operators.geometry.volume import CtVolume
from operators.measure.measuring import measure_segments
from operators.render.fracture_pictures import fracture_pictures
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import bone, provenance, segmentation
from tests.support.dicom.validator import errors_in

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 12, 8), AFFINE)


def source(folder: Path, edit: phantoms.Edit | None = None) -> Series:
    """Reads a CT from files that `edit` changed before."""
    phantoms.write_ct(folder / "ct", HU, AFFINE, edit=edit)
    (found,) = scan(folder / "ct").series
    assert found.grid is not None
    return found


def two_fragments(of: Series) -> Segmentation:
    """Returns two adjacent fragments on every slice but the first and last."""
    assert of.grid is not None
    labels = np.zeros(of.grid.shape, np.uint8)
    labels[2:7, 3:9, 1:-1], labels[8:13, 3:9, 1:-1] = 11, 12
    return segmentation(labels, of.grid, bone(11, fragment=1), bone(12, fragment=2))


def numbered(labels: NDArray[np.uint8], of: Series) -> Segmentation:
    """Returns a segmentation in which each value is a fragment of one bone."""
    assert of.grid is not None
    values = [value for value in np.unique(labels).tolist() if value]
    segments = [bone(value, fragment=n) for n, value in enumerate(values, start=1)]
    labelled = [replace(each, label=f"Left hip bone, fragment {each.fragment}") for each in segments]
    return segmentation(labels, of.grid, *labelled)


def results(folder: Path, made: Segmentation, of: Series) -> dict[str, Dataset]:
    """Writes every result that is a single file; returns them by file name, verified as before sending."""
    made, shared = measure_segments(made), provenance(made, of)
    seg = write_seg(made, shared, folder / "seg.dcm")
    name = check_seg(seg, made, of)
    check_seg(write_seg(made, shared, folder / "labelmap.dcm", profile="labelmap"), made, of)
    check_report(write_report(made, shared, seg, folder / "sr.dcm"), name.sop_instance_uid, of)
    check_result(write_structures(made, shared, folder / "rtstruct.dcm"), of)
    hu = np.zeros(made.label_map.grid.shape, np.int16)
    pictures = fracture_pictures(CtVolume(hu, made.label_map.grid), made)
    for path in write_pictures(pictures, shared, folder / "sc"):
        check_picture(path, of)
    write_key_objects(pictures, shared, folder / "kos.dcm")
    if pictures:
        check_result(folder / "kos.dcm", of)
    found = [*folder.glob("*.dcm"), *folder.glob("sc/*.dcm")]
    return {str(path.relative_to(folder)): dcmread(path) for path in found}


def errors(folder: Path, names: list[str]) -> list[str]:
    """Returns dciodvfy's errors; a report on a SEG, not on a label map, has none."""
    return [error for name in names for error in errors_in(folder / name)]


def patients_own(dataset: Dataset) -> dict[str, str]:
    """Returns the attributes of patient and study that have a value."""
    tags = [element for element in dataset if element.tag.group == 0x0010 or element.keyword in IN_STUDY]
    return {element.keyword: str(element.value) for element in tags if not element.is_empty}


IN_STUDY = {"StudyInstanceUID", "StudyDescription", *REQUIRED_PERHAPS_EMPTY}
