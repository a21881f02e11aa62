"""DICOM SEG made from other people's scanners' series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from operators.dicom.read.scan import scan
from operators.dicom.seg.seg_reader import read_seg_on
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.seg_cases import bone, provenance, segmentation
from tests.unit.operators.dicom.seg.test_seg import validator_errors

DATA = Path(__file__).resolve().parents[5].parent / "shared" / "data" / "dicom"


@pytest.mark.real_data
def test_a_real_tilted_series_gets_a_valid_seg_on_its_own_slices(tmp_path: Path) -> None:
    source = max(scan(DATA / "ge_ct_head_tilted").series, key=lambda found: len(found.frames))
    assert source.grid is not None
    labels = np.zeros(source.grid.shape, np.uint8)
    labels[100:140, 120:150, 3:9] = 11
    labels[200:210, 120:150, 5:12] = 12
    made = segmentation(labels, source.grid, bone(11, fragment=1), bone(12, fragment=2))
    path = write_seg(made, provenance(made, source), tmp_path / "seg.dcm")
    assert validator_errors(path) == []
    originals = {
        frame.sop_instance_uid: dcmread(frame.path, stop_before_pixels=True) for frame in source.frames
    }
    result = dcmread(path)
    for group in result.PerFrameFunctionalGroupsSequence:
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        original = originals[reference.ReferencedSOPInstanceUID]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, original.ImagePositionPatient, atol=1e-6)
        assert original.PatientID == result.PatientID
        assert str(original.PatientName) == str(result.PatientName)
    shared = result.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == original.ImageOrientationPatient
    back = read_seg_on(path, source.grid).labels
    slices = sorted({round(frame.k) for frame in source.frames})
    np.testing.assert_array_equal(back[:, :, slices] > 0, labels[:, :, slices] > 0)
