"""Surfaces become masks on the CT's grid: by colour or file, in the right unit and frame, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume
from operators.image_files.label_files import read_nifti
from tests.support.training.synthetic_datasets import (
    BONE_HU,
    ORIGIN_MM,
    RED,
    YELLOW,
    ball,
    made_case,
    made_grid,
    write_image,
    write_stl,
)
from training.datasets.importing import Wishes, import_dataset
from training.datasets.layout import Dataset
from training.datasets.surfaces import colour_of, colour_word, stl_colours, voxelise

Change = Callable[[trimesh.Trimesh], trimesh.Trimesh]


def imported(folder: Path) -> Dataset:
    return import_dataset(folder, folder.parent / "dataset", Wishes())


def write_case(folder: Path, change: Change = lambda mesh: mesh, seed: int = 0) -> Path:
    """A CT with a surface of each bone, in two colours."""
    write_image(made_case(seed)[0], folder / "ct.nii.gz")
    for bone, (name, colour) in enumerate((("one", RED), ("two", YELLOW))):
        write_stl(change(ball(seed, bone)), folder / f"{name}.stl", colour)
    return folder.parent


def test_surfaces_fill_the_voxels_inside_them_by_colour(tmp_path: Path) -> None:
    dataset = imported(write_case(tmp_path / "source/c1"))
    labels, truth = read_nifti(dataset.labels(dataset.cases[0])).labels, made_case()[1].labels
    names = {row.name: row.value for row in dataset.tables.structures}
    assert set(names) == {"red", "yellow"}
    for name, value in (("red", 1), ("yellow", 2)):
        mine, true = labels == names[name], truth == value
        # An icosphere of 1,280 triangles lies a little inside its sphere
        assert 2 * np.count_nonzero(mine & true) / (np.count_nonzero(mine) + np.count_nonzero(true)) > 0.97
    assert not dataset.cases[0].notes


def test_several_files_of_one_colour_are_one_class_in_every_case(tmp_path: Path) -> None:
    for case in ("c1", "c2"):
        write_image(made_case()[0], tmp_path / f"source/{case}/ct.nii.gz")
        write_stl(ball(0, 0), tmp_path / f"source/{case}/R1.stl")
        write_stl(ball(0, 1), tmp_path / f"source/{case}/R2.stl")
    dataset = imported(tmp_path / "source")
    assert [row.name for row in dataset.tables.structures] == ["red"]
    assert len(dataset.cases) == 2
    parts = read_nifti(dataset.labels(dataset.cases[0])).labels
    assert parts[made_case()[1].labels == 2].mean() > 0.9


def test_files_without_colours_are_a_class_each_and_name_bone_and_fragment(tmp_path: Path) -> None:
    write_image(made_case()[0], tmp_path / "source/c1.nii.gz")
    for bone in range(2):
        write_stl(ball(0, bone), tmp_path / f"source/c1/femur_left_{bone + 1}.stl")
    rows = imported(tmp_path / "source").tables.structures
    assert [(row.structure, row.side, row.fragment) for row in rows] == [
        ("femur", "left", 1),
        ("femur", "left", 2),
    ]


FRAMES: dict[str, tuple[Change, str]] = {
    "metres": (lambda mesh: mesh.apply_scale(0.001), "m, LPS"),
    "RAS": (lambda mesh: mesh.apply_transform(np.diag([-1.0, -1.0, 1.0, 1.0])), "mm, RAS"),
    "from the first voxel": (
        lambda mesh: mesh.apply_translation(-np.array(ORIGIN_MM)),
        "mm, distances from the first voxel",
    ),
    "inside out": (lambda mesh: (mesh.invert(), mesh)[1], ""),
}


@pytest.mark.parametrize("name", FRAMES)
def test_another_unit_or_frame_is_used_if_it_alone_fits(tmp_path: Path, name: str) -> None:
    change, text = FRAMES[name]
    dataset = imported(write_case(tmp_path / "source/c1", change))
    labels, truth = read_nifti(dataset.labels(dataset.cases[0])).labels, made_case()[1].labels
    assert np.count_nonzero((labels > 0) & (truth > 0)) > 0.94 * np.count_nonzero(truth)
    assert all(text in note for note in dataset.cases[0].notes)
    assert bool(dataset.cases[0].notes) == bool(text)


BAD: dict[str, tuple[Change, str]] = {
    "elsewhere": (lambda mesh: mesh.apply_translation((9, -9, 7)), "the image shows none"),
    "inches": (lambda mesh: mesh.apply_scale(1 / 25.4), "the image shows none"),
    "open": (lambda mesh: trimesh.Trimesh(mesh.vertices, mesh.faces[5:]), "with 9 open edges"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_surface_in_an_unknown_frame_or_an_open_one_is_refused_and_the_rest_goes_on(
    tmp_path: Path, name: str
) -> None:
    change, text = BAD[name]
    write_case(tmp_path / "source/bad", change)
    dataset = imported(write_case(tmp_path / "source/good", seed=1))
    assert [case.name for case in dataset.cases] == ["good"]
    (left,) = dataset.tables.left_out
    assert text in left.reason


def test_frames_that_fit_alike_are_refused(tmp_path: Path) -> None:
    image, _ = made_case()
    affine = image.grid.ijk_to_lps.copy()
    # The middle of the array is at x = y = 0: LPS and RAS place a centred bone alike
    affine[:2, 3] = -(np.array(image.grid.shape[:2]) - 1) / 2 * image.grid.spacing_mm[:2]
    centred = CtVolume(cube_hu(image), replace(image.grid, ijk_to_lps=affine))
    middle = affine @ [*(np.array(image.grid.shape) - 1) / 2, 1]
    cube = trimesh.creation.box((8, 10, 16)).subdivide().apply_translation(middle[:3])
    write_image(centred, tmp_path / "source/bad/ct.nii.gz")
    write_stl(cube.apply_scale(0.1), tmp_path / "source/bad/cube.stl")
    (left,) = imported(write_case(tmp_path / "source/good")).tables.left_out
    assert "several frames fit: cm, LPS; cm, RAS" in left.reason


def cube_hu(image: CtVolume) -> NDArray[np.int16]:
    """Tissue in air with a cube of bone in the middle."""
    hu = np.full(image.hu.shape, -1000, np.int16)
    hu[20:52, 15:41, 8:28] = 50
    middle = np.array(image.hu.shape) // 2
    hu[tuple(slice(at - 4, at + 4) for at in middle)] = BONE_HU
    return hu


def test_a_damaged_file_and_one_that_encloses_no_voxel_are_refused(tmp_path: Path) -> None:
    write_case(tmp_path / "source/bad")
    (tmp_path / "source/bad/one.stl").write_bytes(b"solid nothing")
    write_case(tmp_path / "source/tiny")
    speck = trimesh.creation.icosphere(subdivisions=1, radius=0.05).apply_translation((-30.3, 45.4, 365.3))
    write_stl(speck, tmp_path / "source/tiny/three.stl", (20, 20, 220))
    dataset = imported(write_case(tmp_path / "source/good", seed=1))
    told = [left.reason for left in dataset.tables.left_out]
    assert any("one.stl" in text for text in told)
    assert any("encloses no voxel's centre" in text for text in told)


def test_a_surface_that_leaves_the_image_is_cut_off_there() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=10).apply_translation(ORIGIN_MM)
    inside = voxelise(np.array(mesh.vertices), np.array(mesh.faces), made_grid())
    assert inside[0, 0, 0]
    eighth = 4 / 3 * np.pi * 10**3 / 8
    assert inside.sum() * made_grid().voxel_volume_mm3 == pytest.approx(eighth, rel=0.35)


@pytest.mark.parametrize(
    ("name", "colour"),
    [("R", "red"), ("R1", "red"), ("case_g_2", "green"), ("blue", "blue"), ("humerus-yellow 3", "yellow"),
     ("fragment_1", None), ("ulnar", None), ("bred", None)],
)  # fmt: skip
def test_a_colour_in_a_file_name_is_a_word_or_a_letter_of_its_own(name: str, colour: str | None) -> None:
    assert colour_word(name) == colour


def test_colours_as_magics_and_ply_store_them(tmp_path: Path) -> None:
    content = bytearray(ball(0, 0).export(file_type="stl"))
    content[:80] = b"COLOR=\x00\x00\xff\xff".ljust(80)
    assert stl_colours(bytes(content)).tolist() == [[0, 0, 1]]
    for at in range(84 + 48, len(content), 50):
        content[at : at + 2] = (31 << 5).to_bytes(2, "little")
    assert set(map(tuple, stl_colours(bytes(content)).tolist())) == {(0, 1, 0)}
    assert len(stl_colours(ball(0, 0).export(file_type="stl"))) == 0
    mesh = ball(0, 0)
    mesh.visual.vertex_colors = (*YELLOW, 255)
    mesh.export(tmp_path / "a.ply")
    assert colour_of(tmp_path / "a.ply", trimesh.load(tmp_path / "a.ply")) == "yellow"
    mesh.visual.vertex_colors = (200, 200, 200, 255)
    mesh.export(tmp_path / "b.ply")
    assert colour_of(tmp_path / "b.ply", trimesh.load(tmp_path / "b.ply")) is None
