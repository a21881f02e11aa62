"""Labelled images become one data set; what cannot be used is named, and the source stays as it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset as Dataset_
from pydicom.uid import MRImageStorage

from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OutputError, UnreadableError, UnsuitableError, UsageError
from operators.geometry.volume import Box, LabelMap
from operators.image_files.label_files import read_nifti
from operators.image_files.volume_files import read_volume_file
from operators.importing.label_tables import named_table
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import bone, package, provenance
from tests.support.training.synthetic_datasets import (
    ball,
    made_case,
    moved,
    write_image,
    write_mask,
    write_raw,
    write_stl,
)
from training.datasets.importing import Wishes, import_dataset, read_patients
from training.datasets.layout import Dataset, read_dataset


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def labels_of(dataset: Dataset, number: int = 0) -> LabelMap:
    return read_nifti(dataset.labels(dataset.cases[number]))


NOTHING_SAID = Wishes()


def made(source: Path, wishes: Wishes = NOTHING_SAID) -> Dataset:
    return import_dataset(source, source.parent / "dataset", wishes)


def reasons(dataset: Dataset) -> dict[str, str]:
    return {each.source: each.reason for each in dataset.tables.left_out}


def test_a_raw_folder_of_nnunet_comes_with_its_names_values_and_codes(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "Dataset007_Bones", {"a": 0, "b": 1})
    before = contents(source)
    dataset = made(source)
    assert contents(source) == before
    assert [case.name for case in dataset.cases] == ["a", "b"]
    image, mask = made_case(1)
    np.testing.assert_array_equal(read_volume_file(dataset.image(dataset.cases[1])).hu, image.hu)
    stored = labels_of(dataset, 1)
    np.testing.assert_array_equal(stored.labels, mask.labels)
    assert stored.grid.same_as(image.grid)
    first, second = dataset.tables.structures
    assert (first.name, first.value, first.structure, first.side) == ("femur_left", 1, "femur", "left")
    assert first.code is not None
    assert first.code.value == "71341001"
    assert (second.name, second.structure, second.code) == ("thing", None, None)


def test_version_1_lists_values_by_number_and_ignore_is_no_structure(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "Task01", {"a": 0}, {"0": "background", "1": "sacrum", "2": "ignore"})
    dataset = made(source)
    assert [(row.name, row.value) for row in dataset.tables.structures] == [("sacrum", 1)]
    assert dataset.tables.ignore == 2


def test_values_of_regions_are_named_by_the_smallest_region(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "Dataset1", {"a": 0}, {"background": 0, "whole": [1, 2], "core": [2]})
    assert [row.name for row in made(source).tables.structures] == ["whole", "core"]


def test_what_a_raw_folder_does_not_pair_or_declare_is_named(tmp_path: Path) -> None:
    source = write_raw(
        tmp_path / "Dataset1", {"a": 0, "b": 1, "c": 2, "d": 3}, {"background": 0, "x": 1, "y": 2}
    )
    (source / "labelsTr" / "b.nii.gz").unlink()
    (source / "imagesTr" / "c_0000.nii.gz").unlink()
    labels = read_nifti(source / "labelsTr" / "d.nii.gz")
    write_mask(LabelMap(np.where(labels.labels == 2, 9, labels.labels).astype(np.uint8), labels.grid),
               source / "labelsTr" / "d.nii.gz")  # fmt: skip
    write_image(made_case()[0], source / "imagesTs" / "t_0000.nii.gz")
    dataset = made(source)
    assert [case.name for case in dataset.cases] == ["a"]
    assert reasons(dataset) == {
        "labelsTr/c": "labels without an image",
        "imagesTr/b": "an image without labels",
        "imagesTs/t_0000.nii.gz": "an image for testing, without labels",
        "labelsTr/d.nii.gz": "expected labels [0, 1, 2] as in dataset.json, got 9",
    }


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("p1_ct.nii.gz", "p1_mask.nii.gz"),
        ("p1.nrrd", "p1.seg.nrrd"),
        ("p1/ct.mha", "p1/label.mha"),
        ("images/p1.nii.gz", "labels/p1.nii.gz"),
        ("images/p1_0000.nii.gz", "masks/p1.mha"),
        ("p1/ct.nii.gz", "p1/segmentations/bones.nii.gz"),
    ],
)
def test_an_image_and_its_mask_are_paired_by_name_or_folder(tmp_path: Path, image: str, mask: str) -> None:
    volume, labels = made_case()
    write_image(volume, tmp_path / "source" / image)
    write_mask(labels, tmp_path / "source" / mask)
    write_image(volume, tmp_path / "source" / "lonely.nii.gz")
    dataset = made(tmp_path / "source")
    assert [case.name for case in dataset.cases] == ["p1"]
    np.testing.assert_array_equal(labels_of(dataset).labels, labels.labels)
    assert list(reasons(dataset)) == ["lonely.nii.gz"]


def test_several_masks_are_a_structure_each_named_by_their_files(tmp_path: Path) -> None:
    volume, labels = made_case()
    write_image(volume, tmp_path / "source/s1/ct.nii.gz")
    for value, name in ((1, "sacrum"), (2, "femur_right")):
        mask = LabelMap((labels.labels == value).astype(np.uint8), labels.grid)
        write_mask(mask, tmp_path / f"source/s1/segmentations/{name}.nii.gz")
    dataset = made(tmp_path / "source")
    values = {row.name: row.value for row in dataset.tables.structures}
    assert {row.structure for row in dataset.tables.structures} == {"sacrum", "femur"}
    np.testing.assert_array_equal(labels_of(dataset).labels == values["femur_right"], labels.labels == 2)


def test_masks_that_overlap_are_refused_and_a_common_rim_is_noted(tmp_path: Path) -> None:
    volume, labels = made_case()
    one, two = labels.labels == 1, labels.labels == 2
    for case, shared in (("s1", 0.5), ("s2", 0.01)):
        extra = np.flatnonzero(one)[: int(shared * np.count_nonzero(two))]
        other = two.copy()
        other.ravel()[extra] = True
        write_image(volume, tmp_path / f"source/{case}/ct.nii.gz")
        for name, mask in (("first", one), ("second", other)):
            path = tmp_path / f"source/{case}/masks/{name}.nii.gz"
            write_mask(LabelMap(mask.astype(np.uint8), labels.grid), path)
    dataset = made(tmp_path / "source")
    (text,) = reasons(dataset).values()
    assert text.startswith("expected labels that do not overlap")
    (rimmed,) = dataset.cases
    assert "first and second share" in rimmed.notes[0]


def test_a_mask_on_another_grid_is_refused_and_a_part_of_the_same_grid_is_placed(tmp_path: Path) -> None:
    volume, labels = made_case()
    box = Box.around(labels.labels)
    assert box is not None
    part = LabelMap(labels.labels[box.slices][:, ::-1], labels.grid.crop(box))
    flipped = part.grid.ijk_to_lps.copy()
    flipped[:3, 3] += flipped[:3, 1] * (box.shape[1] - 1)
    flipped[:3, 1] *= -1
    masks = {
        "part": LabelMap(part.labels, type(part.grid)(part.grid.shape, flipped)),
        "half": moved(labels, (0.4, 0, 0)),
        "outside": moved(labels, (60.0, 0, 0)),
    }
    for name, mask in masks.items():
        write_image(volume, tmp_path / "source" / name / "ct.nii.gz")
        write_mask(mask, tmp_path / "source" / name / "mask.nii.gz")
    dataset = made(tmp_path / "source")
    assert [case.name for case in dataset.cases] == ["part"]
    np.testing.assert_array_equal(labels_of(dataset).labels, labels.labels)
    assert "another order" in dataset.cases[0].notes[0]
    text = reasons(dataset)
    assert "on the grid of its image" in text["half/mask.nii.gz"]
    assert "labelled voxels outside it" in text["outside/mask.nii.gz"]


@pytest.mark.parametrize("form", ["seg", "rtstruct"])
def test_dicom_with_a_seg_or_rtstruct_is_paired_by_the_series_that_it_names(
    tmp_path: Path, form: str
) -> None:
    volume, mask = made_case()
    labels = np.where(mask.labels == 2, 0, mask.labels).astype(np.uint8)
    for number in (1, 2):
        folder = tmp_path / f"source/p{number}/ct"
        phantoms.write_ct(folder, np.asarray(volume.hu), volume.grid.ijk_to_lps, study=number, series=number)
    series = scan(tmp_path / "source/p2").series[0]
    assert series.grid is not None
    found = Segmentation(LabelMap(labels, series.grid), (bone(1),), package())
    write = {"seg": write_seg, "rtstruct": write_structures}[form]
    write(found, provenance(found, series), tmp_path / "source/p2/drawn.dcm")
    dataset = made(tmp_path / "source")
    (case,) = dataset.cases
    assert len(case.patient) == 12
    assert case.name.startswith("p2")
    stored = labels_of(dataset)
    assert np.count_nonzero((stored.labels > 0) != (labels > 0)) <= (0 if form == "seg" else 40)
    (row,) = dataset.tables.structures
    assert (row.structure, row.side) == ("hip", "left")
    assert "an image without one mask" in next(iter(reasons(dataset).values()))


def test_what_is_beside_the_cases_is_named_too(tmp_path: Path) -> None:
    volume, labels = made_case()
    source = tmp_path / "source"
    write_image(volume, source / "p1/ct.nii.gz")
    write_mask(labels, source / "p1/mask.nii.gz")
    write_stl(ball(0, 0), source / "p1/red.stl")

    def as_mr(dataset: Dataset_, _: int) -> None:
        dataset.Modality, dataset.SOPClassUID = "MR", MRImageStorage

    phantoms.write_ct(source / "mr", np.asarray(volume.hu), volume.grid.ijk_to_lps, edit=as_mr)
    (first, *_) = phantoms.write_ct(source / "ct", np.asarray(volume.hu), volume.grid.ijk_to_lps, series=2)
    first.write_bytes(first.read_bytes()[:400])
    dataset = made(source)
    assert dataset.cases[0].notes == ("1 surfaces beside the mask were not read",)
    told = reasons(dataset)
    assert told["mr (MR series)"] == "expected CT, got MR"
    assert any(place.startswith("ct/") for place in told)


def test_the_users_table_says_what_values_mean_and_who_the_patients_are(tmp_path: Path) -> None:
    volume, labels = made_case()
    for name in ("p1_left", "p1_right"):
        write_image(volume, tmp_path / "source" / f"{name}.nii.gz")
        write_mask(labels, tmp_path / "source" / f"{name}_seg.nii.gz")
    (tmp_path / "labels.toml").write_text(
        'title = "own"\n[labels.head]\nstructure = "humerus"\nside = "left"\nvalue = 1\nfragment = 1\n'
    )
    table = named_table(str(tmp_path / "labels.toml"))
    dataset = made(tmp_path / "source", Wishes(table, patient_pattern="^(p[0-9]+)_"))
    assert {case.patient for case in dataset.cases} == {"p1"}
    first, second = dataset.tables.structures
    assert (first.structure, first.side, first.fragment) == ("humerus", "left", 1)
    assert second.structure is None
    (tmp_path / "patients.csv").write_text("case,patient\np1_left,x\np1_right,y\n")
    wishes = Wishes(patients=read_patients(tmp_path / "patients.csv"))
    second_import = import_dataset(tmp_path / "source", tmp_path / "again", wishes)
    assert [case.patient for case in second_import.cases] == ["x", "y"]
    with pytest.raises(UsageError, match="got one of nobody"):
        import_dataset(tmp_path / "source", tmp_path / "third", Wishes(patients={"nobody": "z"}))


def test_a_source_without_a_usable_case_leaves_nothing(tmp_path: Path) -> None:
    volume, labels = made_case()
    write_image(volume, tmp_path / "source/a.nii.gz")
    write_mask(moved(labels, (0.4, 0, 0)), tmp_path / "source/a_mask.nii.gz")
    with pytest.raises(UnsuitableError, match=r"no case that can be used\. a_mask.nii.gz: expected"):
        made(tmp_path / "source")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    with pytest.raises(UsageError, match="expected a folder with labelled images"):
        import_dataset(tmp_path / "nothing", tmp_path / "dataset", Wishes())
    (tmp_path / "dataset").mkdir()
    with pytest.raises(UsageError, match="exists"):
        made(tmp_path / "source")


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 0})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        import_dataset(source, tmp_path / "file" / "dataset", Wishes())


def test_a_damaged_image_is_one_case_and_a_damaged_list_is_the_source(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 0, "b": 1})
    path = source / "imagesTr" / "a_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:1000])
    assert "could not" in next(iter(reasons(made(source)).values())) or reasons(
        read_dataset(tmp_path / "dataset")
    )
    (source / "dataset.json").write_text("{")
    with pytest.raises(UnreadableError, match=r"nnU-Net's dataset\.json"):
        import_dataset(source, tmp_path / "again", Wishes())


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('name = "b"', 'name = "a"', "each name once"),
        ("value = 2", "value = 1", "each value once"),
        ('name = "a"', 'name = "../a"', "dataset.toml"),
        ("format = 1", "format = 2", "dataset.toml"),
    ],
)
def test_a_list_that_was_edited_wrongly_is_refused(tmp_path: Path, old: str, new: str, text: str) -> None:
    made(write_raw(tmp_path / "source", {"a": 0, "b": 1}))
    path = tmp_path / "dataset" / "dataset.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UnreadableError, match=text):
        read_dataset(tmp_path / "dataset")


def test_a_data_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    dataset = made(write_raw(tmp_path / "source", {"a": 0}))
    assert read_dataset(tmp_path / "dataset").tables == dataset.tables
    assert json.loads(dataset.tables.model_dump_json())["kind"] == "volume"
