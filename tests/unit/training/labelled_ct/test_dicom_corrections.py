"""Corrections as viewers save them: SEG by highdicom and RTSTRUCT, drawn on a CT series."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pytest
from highdicom.seg import Segmentation as HighdicomSeg
from pydicom import dcmread
from pydicom.sr.coding import Code as SrCode
from pydicom.uid import generate_uid

from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.errors import UnsuitableError
from operators.geometry.volume import LabelMap
from operators.image_files.label_files import read_nifti
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import bone, package, provenance
from tests.support.training.synthetic_datasets import made_case
from tests.unit.training.labelled_ct.test_corrections import add, filing
from training.datasets.layout import LeftOut, read_dataset
from training.labelled_ct.corrections import FiledCorrection, Filing

__all__ = ["filing"]
TISSUE = SrCode("85756007", "SCT", "Tissue")
ALGORITHM = highdicom.AlgorithmIdentificationSequence("viewer", SrCode("123109", "DCM", "Manual"), "1")
LEFT_HIP = "hip_left"


def write_series(folder: Path, number: int = 1) -> np.ndarray:
    """A CT series; returns its labels 1 and 2, parts of one bone."""
    image, labels = made_case(number)
    affine = image.grid.ijk_to_lps
    phantoms.write_ct(folder, np.asarray(image.hu), affine, study=number, series=number)
    return labels.labels


def described(number: int, label: str) -> highdicom.seg.SegmentDescription:
    """A segment as a viewer describes one: tissue, and a name that somebody typed."""
    return highdicom.seg.SegmentDescription(
        number,
        label,
        TISSUE,
        TISSUE,
        "SEMIAUTOMATIC",
        ALGORITHM,
        tracking_uid=generate_uid(),
        tracking_id=label,
    )


def write_highdicom(series: Path, labels: np.ndarray, target: Path) -> None:
    """A binary SEG of other software, its segments named after bone, side and fragment."""
    sources = [dcmread(path) for path in sorted(series.iterdir())]
    HighdicomSeg(
        source_images=sources,
        pixel_array=labels.transpose(2, 1, 0).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[described(1, "left hip bone 1"), described(2, "left hip bone 2")],
        series_instance_uid=generate_uid(),
        series_number=100,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Viewer",
        manufacturer_model_name="viewer",
        software_versions="1",
        device_serial_number="1",
    ).save_as(target)


def write_rtstruct(series: Path, labels: np.ndarray, target: Path) -> None:
    """Closed contours of both fragments."""
    (source,) = scan(series).series
    assert source.grid is not None
    found = Segmentation(LabelMap(labels, source.grid), (bone(1, 1), bone(2, 2)), package())
    write_structures(found, provenance(found, source), target)


WRITERS = {"seg": write_highdicom, "rtstruct": write_rtstruct}


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_what_a_viewer_saved_is_filed_with_structure_side_and_fragment(
    filing: Filing, tmp_path: Path, form: str
) -> None:
    drawn = write_series(tmp_path / "ct")
    WRITERS[form](tmp_path / "ct", drawn, tmp_path / "edited.dcm")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.dcm")}
    (made,) = add(filing, tmp_path / "ct", tmp_path / "edited.dcm")
    assert isinstance(made, FiledCorrection), made
    (change,) = made.changes
    ml = np.count_nonzero(drawn) * 2.5 / 1000
    # The centres of voxels decide what contours enclose
    assert change.structure == LEFT_HIP
    assert change.added_ml == pytest.approx(ml, rel=0 if form == "seg" else 0.02, abs=0.01)
    dataset = read_dataset(filing.folder)
    rows = [(row.structure, row.side, row.fragment) for row in dataset.tables.structures]
    assert rows == [("hip", "left", 1), ("hip", "left", 2)]
    (case,) = dataset.cases
    stored = read_nifti(dataset.labels(case)).labels
    assert np.count_nonzero(stored != drawn) <= (0 if form == "seg" else 60)
    assert len(case.patient) == 12
    assert {path: path.read_bytes() for path in before} == before


def test_seg_and_rtstruct_of_one_ct_are_versions_of_one_case(filing: Filing, tmp_path: Path) -> None:
    for number in (1, 2):
        drawn = write_series(tmp_path / f"ct{number}", number)
        for form, write in WRITERS.items():
            write(tmp_path / f"ct{number}", drawn, tmp_path / f"{form}{number}.dcm")
    names = [
        (one.case, one.version)
        for form in WRITERS
        for one in add(filing, tmp_path / "ct1", tmp_path / "ct2", *sorted(tmp_path.glob(f"{form}?.dcm")))
        if isinstance(one, FiledCorrection)
    ]
    assert names == [("c0001", 1), ("c0002", 1), ("c0001", 2), ("c0002", 2)]


def test_a_seg_of_another_series_is_left_out_with_its_reason(filing: Filing, tmp_path: Path) -> None:
    for number in (1, 2):
        drawn = write_series(tmp_path / f"ct{number}", number)
        write_highdicom(tmp_path / f"ct{number}", drawn, tmp_path / f"seg{number}.dcm")
    with pytest.raises(UnsuitableError, match="expected the series that it was drawn on, got 0"):
        add(filing, tmp_path / "ct1", tmp_path / "seg2.dcm")
    made = add(filing, tmp_path / "ct1", tmp_path / "seg1.dcm", tmp_path / "seg2.dcm")
    assert [type(one) for one in made] == [LeftOut, FiledCorrection]


def test_files_of_the_same_name_in_several_folders_are_all_filed(filing: Filing, tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        drawn = write_series(tmp_path / f"p{number}/ct", number)
        write_highdicom(tmp_path / f"p{number}/ct", drawn, tmp_path / f"p{number}/edited.dcm")
        files += [tmp_path / f"p{number}/ct", tmp_path / f"p{number}/edited.dcm"]
    assert all(isinstance(one, FiledCorrection) for one in add(filing, *files))
    assert len(read_dataset(filing.folder).cases) == 2
