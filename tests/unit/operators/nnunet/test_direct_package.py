"""Packages of published networks are read completely, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.errors import ModelError, UnsuitableError
from operators.geometry.volume import CtVolume, Grid
from operators.nnunet.preprocessing import preprocess
from operators.nnunet.zoom import (
    new_shape,
    resized,
    resized_labels,
    separate_axis,
    zoomed,
    zoomed_labels,
)
from operators.package_files.package_reader import read_package
from operators.packages.packages import NetworkSpec, Normalisation
from operators.packages.plans import NnUNetPackage, Resampling, Separate

TEXT = """
name = "made"
version = "1"
title = "Made"
algorithm_name = "Made"

[origin]
format = "nnU-Net v2"
dataset = "Made"
configuration = "3d_fullres"
trainer = "nnUNetTrainer"

[accepts]
modalities = ["CT"]
sop_class_uids = ["1.2.840.10008.5.1.4.1.1.2"]
body_parts = []
minimum_slices = 5
minimum_extent_mm = 20.0
maximum_slice_spacing_mm = 6.0
maximum_pixel_spacing_mm = 3.0

[network]
architecture = "nnunet_plain"
arguments = { dimensions = 3, outputs = 2 }
spacing_mm = [1.0, 1.0, 1.0]
patch = [16, 16, 16]
window_hu = [-100.0, 900.0]
classes = ["background", "bone"]
normalisation = { scheme = "ct", mean = 100.0, std = 50.0, masked = false }
precision = "f32"

[recipe]
orientation = "LPS"
transpose = [0, 1, 2]
image = { order = 3, order_across = 0, separate = "auto" }
output = { order = 1, order_across = 0, separate = "auto" }
step = 0.5
mirror_axes = [0]
averaged = "logits"
normalise_first = true
regions = []

[[folds]]
name = "fold_0"
weights = "fold_0.safetensors"
sha256 = "ab"

[[labels]]
name = "bone"
meaning = "Bone"
value = 1
category = { value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }
type = { value = "272673000", scheme = "SCT", meaning = "Bone" }
rgb = [1, 2, 3]
"""

BROKEN = {
    "an unknown scheme": ('scheme = "ct"', 'scheme = "own"', "normalisation.scheme"),
    "an orientation of one axis twice": ('"LPS"', '"LRS"', "recipe.orientation"),
    "axes that are none": ("transpose = [0, 1, 2]", "transpose = [0, 1, 1]", "recipe.transpose"),
    "a step of nothing": ("step = 0.5", "step = 0.0", "recipe.step"),
    "an axis to mirror that there is not": ("mirror_axes = [0]", "mirror_axes = [3]", "recipe.mirror_axes"),
    "an unknown average": ('"logits"', '"votes"', "recipe.averaged"),
    "an order that no spline has": ("order = 3", "order = 9", "recipe.image.order: expected 5 or less"),
    "an output of cubic splines": ("output = { order = 1", "output = { order = 3", "expected orders 0 or 1"),
    "an unknown way of slices": ('"auto" }\noutput', '"some" }\noutput', "separate"),
    "regions for other outputs": ("regions = []", "regions = [1]", "recipe.regions"),
    "a value that no output writes": ("value = 1\n", "value = 2\n", "labels.bone.value"),
    "fewer outputs than classes": ("outputs = 2", "outputs = 3", "as many outputs"),
    "a key that is missing": ("step = 0.5\nmirror_axes = [0]\naveraged", "averages", "averages"),
    "no origin": ("[origin]", "[source]", "origin"),
}


# The stage before, and how its one class comes into the network
CASCADE = TEXT.replace(
    'classes = ["background", "bone"]', 'classes = ["background", "bone"]\nguide = ["bone"]'
) + TEXT[TEXT.index("[network]") : TEXT.index("[[labels]]")].replace(
    "[network]", "[previous.network]"
).replace("[recipe]", "[previous.recipe]").replace("[[folds]]", "[[previous.folds]]").replace(
    '"fold_0', '"previous_fold_0'
)
BROKEN_CASCADES = {
    "a class that the stage before does not give": ('guide = ["bone"]', 'guide = ["skin"]', "network.guide"),
    "a stage before that nobody reads": ('guide = ["bone"]', "guide = []", "network.guide"),
    "a stage before under another name": (
        "[previous.",
        "[former.",
        "former: expected a known key, got an unknown one",
    ),
    "no room for the guide": ("outputs = 2 }", "outputs = 2, inputs = 1 }", "networks.fold_0"),
    "a stage before without weights": (
        '"previous_fold_0.safetensors"',
        "7",
        "previous_fold_0.weights: expected a text",
    ),
    "labels mixed across slices": (
        "regions = []",
        'regions = []\nguide = { order = 1, order_across = 1, separate = "auto" }',
        "recipe.guide.order_across",
    ),
}


def written(folder: Path, text: str) -> Path:
    path = folder / "made" / "package.toml"
    path.parent.mkdir()
    path.write_text(text)
    return path


def made(folder: Path) -> NnUNetPackage:
    package = read_package(written(folder, TEXT))
    assert isinstance(package, NnUNetPackage)
    return package


def test_a_package_is_read(tmp_path: Path) -> None:
    package = made(tmp_path)
    (stage,) = package.stages
    spec: NetworkSpec = stage.spec
    assert package.networks == stage.folds
    assert spec.normalisation == Normalisation("ct", 100.0, 50.0)
    assert spec.weights == tmp_path / "made" / "fold_0.safetensors"
    assert stage.recipe.image == Resampling(3)
    assert [label.values for label in package.labels] == [range(1, 2)]


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_package_is_refused_with_what_was_wrong(tmp_path: Path, what: str) -> None:
    right, wrong, named = BROKEN[what]
    assert right in TEXT
    with pytest.raises(ModelError, match=named) as error:
        read_package(written(tmp_path, TEXT.replace(right, wrong, 1)))
    assert error.value.code == "package_unreadable"


def test_a_cascade_is_read_in_the_order_in_which_it_runs(tmp_path: Path) -> None:
    package = read_package(written(tmp_path, CASCADE))
    assert isinstance(package, NnUNetPackage)
    assert [spec.name for spec in package.networks] == ["previous_fold_0", "fold_0"]
    assert [spec.inputs for spec in package.networks] == [1, 2]
    assert [stage.guide_values for stage in package.stages] == [(), (1,)]


@pytest.mark.parametrize("what", BROKEN_CASCADES)
def test_a_broken_cascade_is_refused_with_what_was_wrong(tmp_path: Path, what: str) -> None:
    right, wrong, named = BROKEN_CASCADES[what]
    assert right in CASCADE
    with pytest.raises(ModelError, match=named) as error:
        read_package(written(tmp_path, CASCADE.replace(right, wrong)))
    assert error.value.code == "package_unreadable"


def test_labels_of_the_stage_before_are_cropped_with_the_image_or_stretched_over_it(tmp_path: Path) -> None:
    package = read_package(written(tmp_path, CASCADE))
    assert isinstance(package, NnUNetPackage)
    cropped = package.stages[1]
    whole = replace(cropped, recipe=replace(cropped.recipe, guide_cropped=False))
    volume = CtVolume(np.array([0, 0, 50, 50], np.int16).reshape(1, 1, 4), Grid((1, 1, 4), np.eye(4)))
    before = np.array([1, 1, 0, 0], np.uint8).reshape(1, 1, 4)
    for stage, expected in ((cropped, [0, 0]), (whole, [1, 0])):
        channels = preprocess(volume, stage, before).channels
        assert channels.labels is not None
        assert channels.labels.ravel().tolist() == expected
        np.testing.assert_array_equal(channels.tile((slice(None),) * 3)[1].ravel(), expected)


def test_a_label_without_a_code_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none for bone") as error:
        read_package(written(tmp_path, TEXT.replace("272673000", "")))
    assert error.value.code == "labels_without_codes"


def test_a_scan_of_zeros_is_unsuitable(tmp_path: Path) -> None:
    empty = CtVolume(np.zeros((4, 4, 4), np.int16), Grid((4, 4, 4), np.eye(4)))
    with pytest.raises(UnsuitableError):
        preprocess(empty, made(tmp_path).stages[0])


def test_normalised_values_are_those_of_the_formula(tmp_path: Path) -> None:
    hu = np.array([-500, 100, 150, 2000], np.int16).reshape(1, 1, 4)
    image = preprocess(CtVolume(hu, Grid((1, 1, 4), np.eye(4))), made(tmp_path).stages[0]).channels.image
    np.testing.assert_allclose(image.ravel(), [-4, 0, 1, 16])


@pytest.mark.parametrize(
    ("before", "after", "how", "axis"),
    [
        ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0), "auto", None),
        ((5.0, 1.0, 1.0), (1.0, 1.0, 1.0), "auto", 0),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 4.0), "auto", 2),
        ((3.0, 1.0, 1.0), (1.0, 1.0, 1.0), "auto", None),
        ((3.0, 1.0, 1.0), (1.0, 1.0, 1.0), "always", 0),
        ((9.0, 1.0, 1.0), (1.0, 1.0, 1.0), "never", None),
        ((0.2, 1.2, 1.2), (1.0, 1.0, 1.0), "auto", None),
    ],
)
def test_slices_that_are_far_apart_are_resampled_apart(
    before: tuple[float, ...], after: tuple[float, ...], how: Separate, axis: int | None
) -> None:
    assert separate_axis(before, after, Resampling(3, 0, how)) == axis


def test_slices_apart_never_mix() -> None:
    stack = np.repeat(np.array([0.0, 100.0]), 9).reshape(2, 3, 3)
    assert new_shape(stack.shape, (4.0, 1.0, 1.0), (1.0, 0.5, 1.0)) == (8, 6, 3)
    found = zoomed(stack, (8, 6, 3), 0, Resampling(3))
    assert set(np.unique(found)) == {0.0, 100.0}
    assert found.shape == (8, 6, 3)


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize(
    ("before", "after"), [((40, 9, 17), (23, 14, 8)), ((150, 5, 4), (210, 3, 9)), ((1, 6, 7), (2, 4, 7))]
)
def test_planes_one_after_the_other_give_what_scipy_gives_of_the_whole(
    before: tuple[int, ...], after: tuple[int, ...], order: int
) -> None:
    image = np.random.default_rng(1).normal(0, 400, before)
    got = zoomed(image, after, None, Resampling(order))
    np.testing.assert_allclose(got, resized(image, after, order), rtol=2e-7, atol=1e-5)


@pytest.mark.parametrize("axis", [None, 0])
def test_no_label_comes_out_that_did_not_go_in(axis: int | None) -> None:
    labels = np.random.default_rng(2).choice([-1, 0, 2, 7], (4, 5, 6)).astype(np.int16)
    assert set(np.unique(zoomed_labels(labels, (7, 9, 8), axis, Resampling(1)))) <= {-1, 0, 2, 7}


def test_a_label_goes_to_whom_most_of_the_voxel_belongs_and_of_halves_to_the_nearest() -> None:
    row = np.array([2, 2, 2, 5, 5, 0], np.int16)
    assert resized_labels(row, (4,), 1).tolist() == [2, 2, 5, 0]
    for halves in (np.array([9, 1], np.int16), np.array([1, 9], np.int16)):
        assert resized_labels(halves, (1,), 1) == resized(halves, (1,), 0)
