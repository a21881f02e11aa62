"""Corrections: meanings of values, what is changed, versions; and when new networks are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operators.errors import UnsuitableError
from operators.geometry.volume import LabelMap
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.seen import AnatomyNotFoundError
from operators.packages.structures import read_structures
from tests.support.training.synthetic_datasets import made_case, write_image, write_mask
from tests.support.training.training_cases import ROOT
from tests.unit.training.labelled_ct.test_figures import result, score
from training.datasets.layout import LeftOut, read_dataset
from training.labelled_ct import scoring
from training.labelled_ct.corrections import FiledCorrection, Filing, add_corrections, read_record, table_of
from training.labelled_ct.refinement import Margins, comparison, faults_of

PACKAGE = read_coarse_to_fine_package(ROOT / "models" / "pelvis" / PACKAGE_FILE)
VALUES = [label.first_value for label in PACKAGE.labels][:2]


@pytest.fixture
def filing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Filing:
    """A package that finds nothing, so that all of a correction is added."""

    def nothing(*_: object) -> None:
        raise AnatomyNotFoundError("no bones found", ())

    monkeypatch.setattr(scoring, "segment_anatomy", nothing)
    return Filing(PACKAGE, tmp_path / "corrections", "Ada", "2026-01-02")


def edited(folder: Path, seed: int, values: list[int]) -> Path:
    image, labels = made_case(seed)
    table = np.array([0, *values], np.uint8)
    write_image(image, folder / "ct.nii.gz")
    write_mask(LabelMap(table[labels.labels], labels.grid), folder / "edited_seg.nii.gz")
    return folder


def add(filing: Filing, *sources: Path) -> list[FiledCorrection | LeftOut]:
    return list(add_corrections(sources, filing, Networks(Device()), lambda *_: None))


def test_a_file_without_names_has_the_packages_values(filing: Filing, tmp_path: Path) -> None:
    (made,) = add(filing, edited(tmp_path / "a", 0, VALUES))
    assert isinstance(made, FiledCorrection)
    assert (made.case, made.version, made.who, made.package) == ("c0001", 1, "Ada", PACKAGE.name)
    names = [label.name for label in PACKAGE.labels][:2]
    assert [change.structure for change in made.changes] == names
    assert all(change.dice == change.removed_ml == 0 < change.added_ml for change in made.changes)
    tables = read_dataset(filing.folder).tables
    assert {row.value for row in tables.structures} == set(VALUES)
    assert all(row.structure for row in tables.structures)


def test_another_correction_of_the_same_ct_is_its_next_version(filing: Filing, tmp_path: Path) -> None:
    add(filing, edited(tmp_path / "a", 0, VALUES))
    (other,) = add(filing, edited(tmp_path / "b", 1, VALUES))
    (again,) = add(filing, edited(tmp_path / "c", 0, VALUES[::-1]))
    assert isinstance(other, FiledCorrection)
    assert isinstance(again, FiledCorrection)
    assert (other.case, other.version, again.case, again.version) == ("c0002", 1, "c0001", 2)
    records = read_record(filing.folder)
    assert [(row["case"], row["version"]) for row in records] == [("c0001", 1), ("c0002", 1), ("c0001", 2)]
    assert [path.name for path in (filing.folder / "versions").iterdir()] == ["c0001.1.nii.gz"]
    newest = {case.name: case.labels_sha256 for case in read_dataset(filing.folder).cases}
    assert newest["c0001"] == again.labels_sha256 != records[0]["labels_sha256"]


def test_files_may_be_named_one_by_one(filing: Filing, tmp_path: Path) -> None:
    folder = edited(tmp_path / "a", 0, VALUES)
    (made,) = add(filing, folder / "edited_seg.nii.gz", folder / "ct.nii.gz")
    assert isinstance(made, FiledCorrection)


def test_a_correction_without_its_ct_is_no_correction(filing: Filing, tmp_path: Path) -> None:
    folder = edited(tmp_path / "a", 0, VALUES)
    with pytest.raises(
        UnsuitableError, match="expected a correction and the CT that it was drawn on, got none"
    ):
        add(filing, folder / "edited_seg.nii.gz")
    assert not filing.folder.exists()


def test_every_value_of_a_package_has_its_structure_side_and_fragment() -> None:
    entries = table_of(PACKAGE, read_structures()).entries
    assert len(entries) == sum(len(label.values) for label in PACKAGE.labels)
    first = PACKAGE.labels[0]
    assert entries[f"{first.name}_2"]["value"] == first.first_value + 1
    assert entries[f"{first.name}_2"]["fragment"] == 2


def test_networks_are_taken_where_the_mean_rises_and_no_fold_loses_a_class() -> None:
    old = [result(1, score("1", "p", a=0.5, b=0.8)), result(2, score("2", "q", a=0.5, b=0.8))]
    better = [result(1, score("1", "p", a=0.9, b=0.79)), result(2, score("2", "q", a=0.9, b=0.8))]
    assert list(faults_of(old, better, ["a", "b"], Margins())) == []
    (little,) = faults_of(old, old, ["a", "b"], Margins())
    assert "expected a mean Dice higher by 0.01 or more, got 0.650 before and 0.650 after" in little
    worse = [better[0], result(2, score("2", "q", a=0.9, b=0.7))]
    assert list(faults_of(old, worse, ["a", "b"], Margins())) == ["fold 2: b fell from 0.800 to 0.700"]
    assert list(faults_of(old, worse, ["a", "b"], Margins(worse=0.15))) == []
    inventing = [better[0], result(2, score("2", "q", "c", a=0.9, b=0.8))]
    assert list(faults_of(old, inventing, ["a", "b"], Margins())) == [
        "fold 2: more classes are found where they are not"
    ]
    rows = comparison(old, better, ["a", "b"]).split("\n")
    assert rows[2] == "| a | 0.500 to 0.900 | 0.500 to 0.900 | 0.500 to 0.900 |"
