"""Results of unusual sources and findings are valid and invent nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from operators.dicom.provenance.identity import REQUIRED_PERHAPS_EMPTY
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import UnsuitableError
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.result_cases import errors, numbered, patients_own, results, source, two_fragments
from tests.support.dicom.seg_cases import bone, grid, provenance, segmentation, series

EVERY = {"seg.dcm", "labelmap.dcm", "sr.dcm", "rtstruct.dcm", "sc/1.dcm", "kos.dcm"}


def of_edited(folder: Path, edit: phantoms.Edit) -> tuple[Dataset, dict[str, Dataset]]:
    """A source's first file, and all results of two fragments in it."""
    of = source(folder, edit)
    made = results(folder, two_fragments(of), of)
    assert set(made) == EVERY
    return dcmread(next((folder / "ct").iterdir())), made


def assert_the_sources_own(original: Dataset, made: dict[str, Dataset]) -> None:
    for name, dataset in made.items():
        assert patients_own(dataset) == patients_own(original), name


def test_nothing_found_makes_no_file(tmp_path: Path) -> None:
    made = segmentation(np.zeros((13, 9, 7), np.uint8), grid(), bone(11))
    for write in (write_seg, write_structures, partial(write_seg, profile="labelmap")):
        with pytest.raises(UnsuitableError, match="at least one labelled voxel"):
            write(made, provenance(made, series(grid())), tmp_path / "result.dcm")
    assert list(tmp_path.iterdir()) == []


def test_a_fragment_of_one_voxel_is_in_every_result(tmp_path: Path) -> None:
    of = source(tmp_path)
    labels = np.zeros((16, 12, 8), np.uint8)
    labels[3:9, 3:9, 2:6], labels[15, 11, 7] = 11, 12
    made = results(tmp_path, numbered(labels, of), of)
    assert set(made) == EVERY
    assert len(made["seg.dcm"].SegmentSequence) == len(made["rtstruct.dcm"].ROIContourSequence) == 2
    assert made["rtstruct.dcm"].ROIContourSequence[1].ContourSequence[0].NumberOfContourPoints == 4
    assert errors(tmp_path, ["seg.dcm", "sr.dcm", "rtstruct.dcm", "sc/1.dcm", "kos.dcm"]) == []


def test_sixty_fragments_are_sixty_segments_in_every_result(tmp_path: Path) -> None:
    of = source(tmp_path)
    labels = np.zeros((16, 12, 8), np.uint8)
    blocks = [(i, j, k) for i in range(0, 15, 3) for j in range(0, 12, 3) for k in (0, 3, 6)]
    for value, (i, j, k) in enumerate(blocks, start=1):
        labels[i : i + 2, j : j + 2, k : k + 2] = value
    made = results(tmp_path, numbered(labels, of), of)
    assert len(made["seg.dcm"].SegmentSequence) == len(made["rtstruct.dcm"].StructureSetROISequence) == 60
    assert len(made["labelmap.dcm"].SegmentSequence) == 60
    assert errors(tmp_path, ["seg.dcm", "sr.dcm", "rtstruct.dcm", "kos.dcm"]) == []


def test_what_the_source_lacks_stays_empty_in_every_result(tmp_path: Path) -> None:
    def bare(dataset: Dataset, _: int) -> None:
        for keyword in (*REQUIRED_PERHAPS_EMPTY, "SliceThickness", "Manufacturer", "SeriesNumber"):
            if keyword in dataset:
                del dataset[keyword]

    original, made = of_edited(tmp_path, bare)
    assert_the_sources_own(original, made)
    for dataset in made.values():
        assert [keyword for keyword in REQUIRED_PERHAPS_EMPTY if dataset[keyword].value] == []
    assert errors(tmp_path, ["seg.dcm", "sr.dcm", "rtstruct.dcm", "sc/1.dcm", "kos.dcm"]) == []


def test_values_with_a_wrong_vr_are_the_same_in_every_result(tmp_path: Path) -> None:
    wrong = {"PatientID": "SH", "PatientBirthDate": "LO", "StudyTime": "SH", "StudyID": "LO"}

    def odd(dataset: Dataset, _: int) -> None:
        dataset.PatientBirthDate, dataset.StudyTime = "19700102", "101112"
        for keyword, vr in wrong.items():
            dataset[keyword].VR = vr

    assert_the_sources_own(*of_edited(tmp_path, odd))


def test_private_tags_do_not_leave_with_any_result(tmp_path: Path) -> None:
    def private(dataset: Dataset, _: int) -> None:
        for group in (0x0009, 0x0011, 0x0019, 0x0029):
            block = dataset.private_block(group, "MAKER", create=True)
            block.add_new(1, "LO", "of the scanner's own")
        dataset.add_new(Tag(0x0011, 0x1099), "UN", b"\x01\x02\x03\x04")

    original, made = of_edited(tmp_path, private)
    assert_the_sources_own(original, made)
    assert not [element for dataset in made.values() for element in dataset if element.tag.is_private]


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг^Анна"),
        ("ISO_IR 127", "قباني^لنزار"),
    ],
)
def test_a_name_in_any_script_is_the_same_in_every_result(
    tmp_path: Path, character_set: object, name: str
) -> None:
    def named(dataset: Dataset, _: int) -> None:
        dataset.SpecificCharacterSet, dataset.PatientName = character_set, name

    original, made = of_edited(tmp_path, named)
    assert str(original.PatientName) == name
    assert_the_sources_own(original, made)
    assert {dataset.SpecificCharacterSet for dataset in made.values()} == {"ISO_IR 192"}
    assert errors(tmp_path, ["seg.dcm", "sr.dcm", "rtstruct.dcm", "sc/1.dcm", "kos.dcm"]) == []


def test_three_thousand_slices_are_all_named(tmp_path: Path) -> None:
    of = series(grid((9, 7, 3000)))
    made = results(tmp_path, two_fragments_along(3000), of)
    assert set(made) == EVERY
    named = made["seg.dcm"].ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert len(named) == 3000
    assert made["seg.dcm"].NumberOfFrames == 8
    study = made["rtstruct.dcm"].ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    assert len(study.RTReferencedSeriesSequence[0].ContourImageSequence) == 3000


def two_fragments_along(slices: int) -> Segmentation:
    """At both ends and in the middle."""
    labels, ks = np.zeros((9, 7, slices), np.uint8), [0, 1, slices // 2, slices - 1]
    labels[1:4, 2:6, ks], labels[5:8, 2:6, ks] = 11, 12
    return segmentation(labels, grid(labels.shape), bone(11, fragment=1), bone(12, fragment=2))
