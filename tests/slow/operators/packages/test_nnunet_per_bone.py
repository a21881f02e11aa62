"""A published network of fractures behind a published anatomy network: bones and fragments of one scan."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from operators.errors import ModelError, UnsuitableError
from operators.geometry.volume import CtVolume, Grid
from operators.image_files.label_files import read_nifti
from operators.measure.flags import SIDES_SWAPPED, flag_result
from operators.measure.measuring import measure_segments
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.networks.windows.labelled_scan import LabelledScan
from operators.package_files.package_reader import read_package
from operators.packages.plans import NnUNetPackage, NnUNetPerBonePackage, SplittingRules, Stage
from operators.pipelines.network_output import NetworkOutput
from operators.pipelines.nnunet_per_bone import split_bones
from operators.pipelines.several import segment
from operators.segmentation.segmentation import Segmentation
from tests.support.packages.model_cases import ran
from tests.support.packages.per_bone_cases import (
    BONE_HU,
    FRAGMENT_HU,
    SPACING_MM,
    KnowingNetworks,
    Labels,
    coded,
    imported,
    imported_package,
)

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "pelvis" / "001"
AFFINE = np.diag([*SPACING_MM[::-1], 1.0])
SHAPE = (50, 40, 30)


@pytest.fixture
def package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> NnUNetPerBonePackage:
    """What `osteon models import` makes of both folders."""
    return imported_package(tmp_path, capsys)


def truth() -> tuple[Labels, Labels]:
    """The anatomy's labels and fragments: i runs to the patient's left, so that 2, the right one, is low."""
    bones, fragments = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    bones[20:28, 5:20, 4:20] = 1
    bones[3:17, 8:30, 4:24] = 2
    bones[31:47, 8:30, 4:24] = 3
    bones[20:28, 25:35, 20:28] = 4
    fragments[bones > 0] = 1
    fragments[31:47, 8:30, 4:14] = 2
    fragments[42:47, 8:30, 14:24] = 3
    fragments[3:17, 8:30, 4:8] = 3
    fragments[bones == 0] = 0
    return bones, fragments


def delivered(
    bones: Labels, fragments: Labels, package: NnUNetPerBonePackage, affine: np.ndarray = AFFINE
) -> Segmentation:
    volume = CtVolume(coded(bones, fragments), Grid(bones.shape, affine, "1.2.3"))
    return segment(volume, [package], KnowingNetworks(), lambda *_: None)


def test_one_package_holds_both_networks_and_says_which_bones_are_split(
    package: NnUNetPerBonePackage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [spec.name for spec in package.networks] == ["previous_fold_0", "fold_0", "fracture_fold_0"]
    assert {label.name: label.values for label in package.labels} == {
        "sacrum": range(1, 11),
        "hip_right": range(21, 31),
        "hip_left": range(11, 21),
        "lumbar_spine": range(31, 32),
    }
    assert package.bones == (1, 2, 3, 4)
    assert package.splitting == SplittingRules(0.0, (), 0.0)
    code, said = ran(capsys, "models", "verify", "made", "--models", package.folder.parent)
    assert (code, "3 networks, 4 labels" in said) == (0, True)
    (package.folder / "fracture_fold_0.safetensors").write_bytes(b"other")
    assert ran(capsys, "models", "verify", "made", "--models", package.folder.parent)[0] == 5


def values_of(bones: Labels, fragments: Labels) -> Labels:
    """What is to be delivered: of each bone the largest fragment has the first value."""
    expected = np.zeros(bones.shape, np.uint8)
    for bone, in_order, first in ((1, (1,), 1), (2, (1, 3), 21), (3, (2, 1, 3), 11), (4, (1,), 31)):
        for place, fragment in enumerate(in_order):
            expected[(bones == bone) & (fragments == fragment)] = first + place
    return expected


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, -1)])
def test_bones_and_fragments_are_in_their_place_however_the_scan_lies(
    axes: tuple[int, ...], signs: tuple[int, ...], package: NnUNetPerBonePackage
) -> None:
    affine, flips = np.eye(4), tuple(slice(None, None, sign) for sign in signs)
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[:3, column] = sign * AFFINE[:3, axis]
    bones, fragments = (np.ascontiguousarray(each.transpose(axes)[flips]) for each in truth())
    result = delivered(bones, fragments, package, affine)
    np.testing.assert_array_equal(result.label_map.labels, values_of(bones, fragments))
    assert result.warnings == ()


def test_segments_say_which_bone_is_whole_and_which_is_broken(package: NnUNetPerBonePackage) -> None:
    result = delivered(*truth(), package)
    assert [(each.value, each.label) for each in result.segments] == [
        (1, "Sacrum"),
        (21, "Right hip bone fragment 1"),
        (22, "Right hip bone fragment 2"),
        (11, "Left hip bone fragment 1"),
        (12, "Left hip bone fragment 2"),
        (13, "Left hip bone fragment 3"),
        (31, "Lumbar spine"),
    ]
    sides = [each.laterality and each.laterality.meaning for each in result.segments]
    assert sides == [None, "Right", "Right", "Left", "Left", "Left", None]
    assert all(each.network_mean > 0.9 for each in result.segments)


def test_bones_that_the_scan_does_not_show_are_left_out(package: NnUNetPerBonePackage) -> None:
    bones, fragments = truth()
    bones[bones == 2], bones[bones == 4] = 0, 0
    result = delivered(bones, fragments * (bones > 0), package)
    assert {segment.bone for segment in result.segments} == {"sacrum", "hip_left"}
    with pytest.raises(UnsuitableError) as error:
        delivered(np.zeros_like(bones), np.zeros_like(bones), package)
    assert error.value.code == "anatomy_not_found"


def test_a_bone_without_any_fragment_is_delivered_whole_and_said(package: NnUNetPerBonePackage) -> None:
    bones, fragments = truth()
    fragments[bones == 3] = 0
    result = delivered(bones, fragments, package)
    assert np.array_equal(result.label_map.labels == 11, bones == 3)
    assert [each.fragment for each in result.segments if each.bone == "hip_left"] == [None]
    assert result.warnings == (
        "Left hip bone: no fragment was found, the bone is delivered as the anatomy network outlined it",
    )


def test_left_and_right_that_are_swapped_are_flagged(package: NnUNetPerBonePackage) -> None:
    bones, fragments = truth()
    for swapped in (False, True):
        given = np.array([0, 1, 3, 2, 4], np.uint8)[bones] if swapped else bones
        result = delivered(given, fragments, package)
        found = flag_result(
            measure_segments(result), CtVolume(coded(given, fragments), result.label_map.grid)
        ).flags
        said = [flag for flag in found if flag.code == SIDES_SWAPPED]
        assert [set(flag.values) for flag in said] == [{11, 12, 21, 22, 23}] * swapped


def test_separate_pieces_of_a_class_can_be_fragments_of_their_own(package: NnUNetPerBonePackage) -> None:
    bones, fragments = truth()
    # Two pieces of class 3, and a crumb
    fragments[42:47, 8:30, 14:24] = 1
    fragments[42:47, 8:12, 14:24] = fragments[42:47, 20:30, 14:24] = fragments[33, 10, 20] = 3
    rules = SplittingRules(pieces=("class_3",), minimum_mm3=100.0)
    labels = delivered(bones, fragments, replace(package, splitting=rules)).label_map.labels
    assert [len(np.unique(labels[(bones == 3) & (fragments == value)])) for value in (1, 2)] == [1, 1]
    assert len(np.unique(labels[42:47, 8:12, 14:24])) == len(np.unique(labels[42:47, 20:30, 14:24])) == 1
    assert labels[42, 8, 14] != labels[42, 20, 14]
    # The crumb goes to what is around it
    assert labels[33, 10, 20] == labels[33, 10, 21]
    assert set(np.unique(labels[bones == 3])) == {11, 12, 13, 14}


def test_a_bone_is_read_as_the_originals_scripts_have_it(package: NnUNetPerBonePackage) -> None:
    """Its whole image, 0 HU but for one label, through the network by itself gives the same fragments."""
    bones, _ = truth()
    hu = np.random.default_rng(6).normal(300, 250, SHAPE).astype(np.int16)
    volume, networks = CtVolume(hu, Grid(SHAPE, AFFINE, "1.2.3")), Networks(Device("torch", threads=1))
    known = NetworkOutput(
        volume, LabelledScan(bones, np.bincount(bones.ravel(), minlength=256), {}), (), package
    )
    result = split_bones(known, networks, lambda *_: None)
    labels = result.label_map.labels
    # Run three times, and said once
    assert [way.network for way in result.network_runs] == ["fracture_fold_0"]
    for bone, label in zip(package.bones[:3], package.labels[:3], strict=True):
        blank = CtVolume(np.where(bones == bone, hu, np.int16(0)), volume.grid)
        said = segment(blank, [alone(package)], networks, lambda *_: None).label_map.labels
        sizes = np.bincount(said.ravel(), minlength=4)[1:]
        ranks = np.concatenate([[0], np.argsort(np.argsort(-sizes, kind="stable")) + label.first_value])
        own = np.isin(labels, label.values)
        assert own.sum() > 1000
        np.testing.assert_array_equal(labels[own], ranks[said][own])
        # But for what it says of other bones, where these have the voxel
        assert not (said.astype(bool) & ~own & (bones == 0)).any()


def alone(package: NnUNetPerBonePackage) -> NnUNetPackage:
    """The fracture network as a separate package."""
    common = {field.name: getattr(package, field.name) for field in fields(NnUNetPackage)}
    bone = package.labels[0]
    labels = tuple(
        replace(bone, structure=replace(bone.structure, name=str(n)), first_value=n, last_value=n)
        for n in (1, 2, 3)
    )
    return NnUNetPackage(**common | {"stages": package.fracture, "labels": labels})


def test_the_value_around_a_bone_is_the_packages(package: NnUNetPerBonePackage) -> None:
    bones, fragments = truth()
    # What is blank is bone of fragment 2 to this network
    other = replace(package, splitting=SplittingRules(blank_hu=BONE_HU - 100 + 2 * FRAGMENT_HU))
    labels = delivered(bones, fragments, other).label_map.labels
    assert (labels[3:17, 8:30, 4:24] == values_of(bones, fragments)[3:17, 8:30, 4:24]).all()
    assert (labels[28:31] == 0).all()
    assert np.isin(labels[20:28, 5:20, 4:20], [1]).all()


BAD: dict[str, tuple[str, str]] = {
    "a label that the anatomy network does not write": ("value = 4", "value = 9"),
    "a label twice": ("value = 4", "value = 3"),
    "fragments of two bones with one value": ("fragments = [31, 31]", "fragments = [30, 31]"),
    "a class that the network of fractures has not": ("pieces = []", 'pieces = ["class_4"]'),
    "fragments that are no range": ("fragments = [31, 31]", "fragments = [31]"),
    "no fragments": ("fragments = [31, 31]", ""),
    "an unknown key": ("blank_hu = 0.0", "blank_hu = 0.0\nmargin = 1"),
    "fragments without a network of fractures": ("[fracture]", "[fractures]"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_package_that_does_not_fit_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, path = imported(tmp_path, capsys)
    before, after = BAD[what]
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(ModelError) as error:
        read_package(path)
    assert error.value.code == "package_unreadable"


def test_a_table_without_fragments_and_a_folder_without_a_network_install_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.toml"
    table.write_text(
        '[labels.bone]\nmeaning = "Bone"\nvalue = 1\n'
        'type = { value = "272673000", scheme = "SCT", meaning = "Bone" }\n'
    )
    code, said, path = imported(tmp_path, capsys, "--labels", str(table))
    assert (code, "which bones have fragments" in said) == (2, True)
    anatomy = tmp_path / "anatomy" / "3d_cascade_fullres" / "Task901_Made"
    (folder,) = anatomy.iterdir()
    command = ("models", "import", folder, "--models", tmp_path / "models", "--labels", "ctpelvic1k")
    for given, expected in (("nowhere", 2), ("anatomy", 5)):
        code, _ = ran(capsys, *command, "--fractures", tmp_path / given)
        assert code == expected
    (tmp_path / "fracture" / "fold_0" / "model_final_checkpoint.model").write_bytes(b"none")
    assert ran(capsys, *command, "--fractures", tmp_path / "fracture")[0] == 5
    assert not path.exists()
    assert not list((tmp_path / "models").glob("*"))


def test_without_mirroring_no_network_mirrors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, path = imported(tmp_path, capsys, "--labels", "ctpelvic1k", "--no-mirroring")
    package = read_package(path)
    assert code == 0
    assert isinstance(package, NnUNetPerBonePackage)
    assert {stage.recipe.mirror_axes for stage in (*package.stages, *package.fracture)} == {()}


def on_voxels(stage: Stage, spacing_mm: tuple[float, ...]) -> Stage:
    """A stage whose networks see the scan's own voxels."""
    return replace(
        stage, folds=tuple(replace(s, spacing_mm=spacing_mm, patch=(48, 64, 64)) for s in stage.folds)
    )


@pytest.mark.real_data
def test_true_bones_of_a_patient_come_out_with_their_fragments(package: NnUNetPerBonePackage) -> None:
    """Every second voxel of a fractured pelvis; both networks read the truth from the HU."""
    masks = {2: "RI", 3: "LI", 1: "SA"}
    maps = {bone: read_nifti(DATA / f"001_{name}_mask.nii.gz") for bone, name in masks.items()}
    step = (slice(None, None, 2),) * 3
    fragments = np.stack([each.labels[step].astype(np.uint8) for each in maps.values()]).sum(0, np.uint8)
    bones = np.stack([(each.labels[step] > 0) * np.uint8(bone) for bone, each in maps.items()]).sum(
        0, np.uint8
    )
    affine = maps[1].grid.ijk_to_lps @ np.diag([2.0, 2.0, 2.0, 1.0])
    (box,) = ndimage.find_objects((bones > 0).astype(np.uint8))
    z, y, x = (float(mm) for mm in np.linalg.norm(affine[:3, 2::-1], axis=0))
    stages: dict[str, Any] = {
        name: tuple(on_voxels(stage, (z, y, x)) for stage in getattr(package, name))
        for name in ("stages", "fracture")
    }
    result = delivered(bones[box], fragments[box], replace(package, **stages), affine)
    labels = result.label_map.labels
    assert {each.value for each in result.segments} == {1, 11, 12, 21}
    expected = {(1, 1): 1, (2, 1): 21, (3, 1): 11, (3, 3): 12}
    for (bone, fragment), value in expected.items():
        true = (bones[box] == bone) & (fragments[box] == fragment)
        assert 2 * (true & (labels == value)).sum() / (true.sum() + (labels == value).sum()) > 0.9999
    assert result.warnings == ()
