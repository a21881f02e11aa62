"""Plans from data: which label is which class, spacing, patches and features, and a file that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.errors import UsageError
from operators.packages.structures import read_structures
from tests.unit.training.labelled_ct.test_folds import DIGEST
from training.datasets.layout import Case, Dataset, DatasetTables, LabelledStructure
from training.labelled_ct.case_facts import MeasuredCase
from training.labelled_ct.classes import names_of_values, structure_of, values_by_class
from training.labelled_ct.network_sizes import SIZES, choose_size, patch_of, training_bytes
from training.labelled_ct.planning import Machine, plan_table, plan_text
from training.recipe import read_recipe

NAMES = {1: "femur_left", 2: "femur_left", 3: "sacrum"}


def dataset(*rows: LabelledStructure) -> Dataset:
    listed = (Case("c", "p", "", DIGEST, DIGEST),)
    tables = DatasetTables(kind="volume", title="t", source="s", imported="", structures=rows, cases=listed)
    return Dataset(Path("set"), tables)


def cases(spacing_mm: tuple[float, ...], extent_mm: tuple[float, ...], count: int = 3) -> list[MeasuredCase]:
    ml = {"femur_left": 9.0, "sacrum": 7.0}
    return [
        MeasuredCase(f"c{n}", f"p{n}", spacing_mm, extent_mm, ml, dict.fromkeys(ml, 1)) for n in range(count)
    ]


def test_labels_of_one_structure_and_side_are_its_fragments() -> None:
    found = dataset(
        LabelledStructure("head", 1, "femur", "left", 1),
        LabelledStructure("shaft", 2, "femur", "left", 2),
        LabelledStructure("s", 3, "sacrum"),
    )
    names = names_of_values(found, (), read_structures())
    assert names == NAMES
    assert values_by_class(names) == {"femur_left": (1, 2), "sacrum": (3,)}
    assert [structure_of(name) for name in values_by_class(names)] == [("femur", "left"), ("sacrum", None)]


def test_a_label_that_nobody_named_is_asked_for_and_taken_from_the_user() -> None:
    found = dataset(
        LabelledStructure("red", 1), LabelledStructure("wire", 2), LabelledStructure("s", 3, "sacrum")
    )
    structures = read_structures()
    with pytest.raises(UsageError, match="got none for red, wire; give --label NAME="):
        names_of_values(found, (), structures)
    assert names_of_values(found, ("red=femur:right", "wire=-"), structures) == {
        1: "femur_right",
        3: "sacrum",
    }
    assert names_of_values(found, ("red=-", "wire=-", "s=hip:left"), structures) == {3: "hip_left"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("red=nonsense", "expected a structure listed in structures.toml, got 'nonsense'"),
        ("red=sacrum:left", "expected no side of sacrum"),
        ("red=femur:up", "got 'femur:up'"),
        ("green=femur", "of red, got 'green=femur'"),
        ("femur", "got 'femur'"),
        ("red=-", "expected a label to train on, got none"),
    ],
)
def test_what_is_no_structure_has_its_sentence(told: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        names_of_values(dataset(LabelledStructure("red", 1)), (told,), read_structures())


def test_a_plan_is_a_recipe_that_follows_the_data(tmp_path: Path) -> None:
    text = plan_text(
        "thighs", "title", cases((0.8, 0.8, 1.6), (400, 400, 300)), NAMES, 9, Machine("cpu", 32 << 30), {}
    )
    path = tmp_path / "training.toml"
    path.write_text(text, encoding="utf-8")
    plan = read_recipe(path)
    assert "3 cases of 3 patients" in text
    assert "0.8 x 0.8 x 1.6 mm" in text
    (row,) = plan.sources.labelled_cts
    assert row.names == {str(value): name for value, name in NAMES.items()}
    assert row.ignore == 9
    coarse, fine = plan.networks["coarse"], plan.networks["fine"]
    assert coarse.classes == fine.classes == ("background", "femur_left", "sacrum")
    assert fine.guide == ("femur_left", "sacrum")
    assert coarse.spacing_mm == 8.0
    assert fine.spacing_mm == pytest.approx(1.01, abs=0.01)
    assert fine.patch == (48, 48, 48)
    assert coarse.steps == 800
    assert plan.validation is not None
    assert plan.validation.every == 20


def test_small_bones_get_finer_voxels_and_no_patch_exceeds_the_image() -> None:
    networks = plan_table(cases((0.3, 0.3, 0.4), (60, 60, 40)), NAMES, None, Machine("cpu", 32 << 30), {})[
        "networks"
    ]
    assert networks["fine"]["spacing_mm"] == 0.6
    assert networks["coarse"]["spacing_mm"] == 1.25
    assert networks["coarse"]["patch"] == [48, 48, 32]
    assert patch_of(SIZES["cpu"][0], (60, 5, 1000), 1.0) == (48, 16, 48)


def test_less_memory_means_smaller_networks_and_a_gpu_larger_ones() -> None:
    sizes = [choose_size("cpu", memory, 3, 3, 0) for memory in (32 << 30, 100 << 20, 50 << 20, 1 << 20)]
    taken = [training_bytes(size, 3, 3) for size in sizes]
    assert taken == sorted(taken, reverse=True)
    assert len(set(taken)) == 4
    assert all(size in SIZES["cpu"] for size in sizes)
    assert choose_size("cpu", 1 << 30, 3, 3, 500 << 20) is SIZES["cpu"][-1]
    assert choose_size("cuda", 16 << 30, 3, 3, 500 << 30) is SIZES["cuda"][0]


def test_a_coarse_network_sees_most_of_a_scan_at_once_and_a_cpu_takes_fewer_steps() -> None:
    of = cases((3.0, 3.0, 3.0), (411, 411, 273), 40)
    plans = [plan_table(of, NAMES, None, Machine(device, 32 << 30), {}) for device in ("cpu", "cuda")]
    cpu, gpu = (plan["networks"] for plan in plans)
    seen_mm = [[n * each["coarse"]["spacing_mm"] for n in each["coarse"]["patch"]] for each in (cpu, gpu)]
    assert seen_mm == [[384, 384, 384], [480, 480, 320]]
    assert [each["fine"]["steps"] for each in (cpu, gpu)] == [1600, 16000]
    assert [plan["validation"]["every"] for plan in plans] == [40, 400]
