"""Recipes: allowed content, GPU settings, and the messages of refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.errors import ModelError
from tests.support.training.training_cases import RECIPE
from training.recipe import Recipe, read_recipe


def recipe_with(folder: Path, old: str, new: str) -> Recipe:
    assert old in RECIPE
    path = folder / "training.toml"
    path.write_text(RECIPE.replace(old, new), encoding="utf-8")
    return read_recipe(path)


def test_what_is_otherwise_on_a_gpu_is_taken_from_its_table_alone(tmp_path: Path) -> None:
    made = recipe_with(tmp_path, "steps = 6", "steps = 6")
    plain = made.networks["fracture"]
    assert plain.on("cpu") is plain
    larger = plain.on("cuda")
    assert (larger.patch, larger.filters, larger.batch) == ((32, 32, 32), (4, 8, 16), 2)
    assert (larger.steps, larger.spacing_mm, larger.classes) == (plain.steps, plain.spacing_mm, plain.classes)
    assert made.networks["coarse"].on("cuda") == made.networks["coarse"]


def test_what_decides_is_named_by_the_recipe_or_else_all_classes(tmp_path: Path) -> None:
    made = recipe_with(tmp_path, "steps = 6", "steps = 6")
    assert made.networks["fracture"].scored == ("contact",)
    assert made.networks["coarse"].scored == made.networks["coarse"].classes[1:]


def test_without_a_validation_table_nothing_is_watched(tmp_path: Path) -> None:
    start, end = RECIPE.index("[validation]"), RECIPE.index("[classes]")
    assert recipe_with(tmp_path, RECIPE[start:end], "").validation is None


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "learning_rate = 3e-3\nnegatives",
            "learnign_rate = 3e-3\nnegatives",
            "networks.coarse.learnign_rate: expected a known key, got an unknown one",
        ),
        (
            "batch = 2",
            "spacing_mm = 2.0",
            "networks.fracture.gpu.spacing_mm: expected a known key, got an unknown one",
        ),
        # A subpixel U-Net of three levels halves the patch three times
        ("patch = [32, 32, 32]", "patch = [36, 36, 36]", r"steps of 8 voxels .* got \(36, 36, 36\)"),
        ('scored = ["contact"]', 'scored = ["contakt"]', "interior, contact, got contakt"),
        ("class_weights = [0.3, 0.6, 2.0]", "class_weights = [0.3]", "3 class_weights, got 1"),
        ('held_out = ["009"]', 'held_out = ["007"]', "bone_sets: expected no held-out case, got 007"),
        (
            'paths = ["neck.nii.gz"]',
            'paths = ["ct/009.nii.gz"]',
            "negatives: expected no held-out case, got 009",
        ),
        ('path = "boxes.nii.gz"', 'path = "009.nii.gz"', "label_maps: expected no held-out case, got 009"),
        ('real = [{ folder = "007"', 'real = [{ folder = "009"', "validation.real: .*got 009"),
        ("patience = 2", "patience = 0", "validation.patience: expected 1 or more, got 0"),
        ("patience = 2", "patients = 2", "patients"),
    ],
)
def test_a_recipe_that_could_not_be_trained_is_refused_before_anything_is_loaded(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    with pytest.raises(ModelError, match=r"expected a training recipe in .*/training\.toml") as refused:
        recipe_with(tmp_path, old, new)
    assert refused.match(text)


ROWS = (
    RECIPE[: RECIPE.index("[networks.")]
    + """
[networks.level]
kind = "level"
spacing_mm = 2.0
patch = [32, 32, 32]
window_hu = [-200.0, 1300.0]
architecture = "level_reader"
filters = [4, 8]
steps = 2
learning_rate = 1e-3
guide = ["outline"]

[networks.level.row]
regions = [{ levels = 1 }, { levels = LEVELS, ribs = true }]
"""
)


def test_a_network_of_levels_has_an_output_for_each_its_region_and_ribs(tmp_path: Path) -> None:
    (tmp_path / "training.toml").write_text(ROWS.replace("LEVELS", str(count_of_classes(tmp_path) - 1)))
    network = read_recipe(tmp_path / "training.toml").networks["level"]
    assert network.classes[0] == "background"
    assert network.classes[-3:] == ("region_0", "region_1", "ribs")
    assert len(network.classes) == count_of_classes(tmp_path) + 4


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("LEVELS", "99", "row.regions of all classes"),
        ('guide = ["outline"]', "", "one conditioning channel"),
        ("ribs = true", "rips = true", "rips"),
    ],
)
def test_a_network_of_levels_that_does_not_fit_is_refused(
    tmp_path: Path, old: str, new: str, text: str
) -> None:
    made = ROWS.replace(old, new).replace("LEVELS", str(count_of_classes(tmp_path) - 1))
    (tmp_path / "training.toml").write_text(made)
    with pytest.raises(ModelError, match=text):
        read_recipe(tmp_path / "training.toml")


def count_of_classes(folder: Path) -> int:
    """The number of classes of the made recipe."""
    return len(recipe_with(folder, "steps = 6", "steps = 6").sources.classes)
