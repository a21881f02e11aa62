"""Names that people give to labels are recognised as structures of structures.toml, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.importing.label_tables import named_table
from operators.packages.structures import read_structures
from training.datasets.naming import Meaning, Numbering, meaning_of


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("femur_left", Meaning("femur", "left")),
        ("Left femur", Meaning("femur", "left")),
        ("L Femur", Meaning("femur", "left")),
        ("hip bone right", Meaning("hip", "right")),
        ("vertebrae_L5", Meaning("vertebra_L5")),
        ("rib_left_1", Meaning("rib_1", "left")),
        ("tibia_right", Meaning("tibia", "right")),
        ("Femur fragment 3", Meaning("femur", None, 3)),
        ("left_femur_2", Meaning("femur", "left", 2)),
        ("sacrum", Meaning("sacrum")),
        ("sacrum_left", Meaning("sacrum")),
        ("red", None),
        ("tumour", None),
        ("value_3", None),
        ("left", None),
    ],
)
def test_a_name_means_a_structure_its_side_and_a_fragment(name: str, meaning: Meaning | None) -> None:
    assert meaning_of(name, read_structures()) == meaning


def test_a_table_says_what_values_mean_only_where_there_are_no_names(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('title = "own"\n[labels.a]\nstructure = "sacrum"\nvalue = 1\n')
    numbering = Numbering(named_table(str(path)))
    assert numbering.value_of("femur_left", 1) == 1
    assert numbering.value_of("value_1", 1) == 2
    assert [row.structure for row in numbering.rows.values()] == ["femur", "sacrum"]


def test_a_value_that_is_taken_is_replaced_by_a_free_one() -> None:
    numbering = Numbering()
    assert [numbering.value_of("a", 3), numbering.value_of("b", 3), numbering.value_of("a", 9)] == [3, 4, 3]
