"""Exported files: closed surfaces at their place in the patient, label maps with named values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import trimesh

from app.cli.command_line import execute
from app.cli.commands import app
from app.files.export_files import FORMATS, parts_of, parts_of_file, write_files
from app.run.folder import run_folder
from app.run.stage_clock import silent
from app.settings import Settings
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import OutputError
from operators.image_files.label_files import read_nifti
from operators.measure.measuring import measure_segments
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import (
    MADE_AT,
    blobs,
    bone,
    grid,
    points_mm,
    provenance,
    segmentation,
    series,
)
from tests.support.training.training_cases import write_models
from tests.unit.app.run.test_run import AFFINE, HU

TURN = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.2, 1.0]]))[0]
ON = grid(axes=TURN * [0.75, 0.5, 2.5])
GREEN = replace(bone(12, fragment=2), rgb=(10, 200, 30))
MADE = measure_segments(segmentation(blobs(), ON, bone(11, fragment=1), GREEN))
NAMES = {11: "11-left_hip_bone_fragment_1", 12: "12-left_hip_bone_fragment_2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    write_files(MADE.label_map, parts_of(MADE), list(FORMATS), root)
    return root


def assert_closed_around(surface: trimesh.Trimesh, value: int) -> None:
    """Every edge belongs to two faces, and the voxels' box and volume are the surface's, in LPS mm."""
    merged = trimesh.Trimesh(surface.vertices, surface.faces)
    assert merged.is_watertight
    assert merged.volume > 0
    points = points_mm(MADE.label_map, value)
    np.testing.assert_allclose(merged.bounds.mean(axis=0), (points.min(0) + points.max(0)) / 2, atol=1.0)


@pytest.mark.parametrize(("value", "name"), NAMES.items())
@pytest.mark.parametrize("suffix", ["stl", "ply"])
def test_each_fragment_has_a_closed_surface_at_its_place(
    folder: Path, value: int, name: str, suffix: str
) -> None:
    assert_closed_around(trimesh.load_mesh(folder / f"{name}.{suffix}"), value)


def test_an_stl_says_in_which_space_it_is_and_that_it_is_not_for_diagnosis(folder: Path) -> None:
    head = (folder / "11-left_hip_bone_fragment_1.stl").read_bytes()[:80]
    assert head.startswith(b"SPACE=LPS;UNIT=mm")
    assert b"not for diagnosis" in head


def test_a_ply_has_the_fragments_colour(folder: Path) -> None:
    colours = trimesh.load_mesh(folder / "12-left_hip_bone_fragment_2.ply").visual.vertex_colors
    assert np.unique(colours, axis=0).tolist() == [[10, 200, 30, 255]]


def test_one_gltf_holds_all_parts_named_coloured_upright_and_in_mm(folder: Path) -> None:
    scene = trimesh.load_scene(folder / "bones.glb")
    assert set(scene.geometry) == set(NAMES.values())
    for value, name in NAMES.items():
        part = scene.geometry[name]
        assert_closed_around(part, value)
        factor = np.asarray(part.visual.material.baseColorFactor)[:3]
        assert factor.tolist() == list(next(s.rgb for s in MADE.segments if s.value == value))
    node = next(node for node in scene.graph.nodes_geometry)
    matrix, _ = scene.graph[node]
    head_mm = np.array([0.0, 0.0, 1000.0, 1.0])
    np.testing.assert_allclose((matrix @ head_mm)[:3], [0, 1, 0], atol=1e-6)


def test_a_label_map_is_in_ras_and_its_table_names_every_value(folder: Path) -> None:
    label_map = read_nifti(folder / "bones_dseg.nii.gz")
    np.testing.assert_array_equal(label_map.labels, MADE.label_map.labels)
    np.testing.assert_allclose(label_map.grid.ijk_to_lps, ON.ijk_to_lps, atol=1e-4)
    affine = nibabel.load(folder / "bones_dseg.nii.gz").affine
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]) @ ON.ijk_to_lps, atol=1e-4)
    rows = (folder / "bones_dseg.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "index\tname\tcolor"
    assert rows[2] == "12\tLeft hip bone, fragment 2\t#0ac81e"


def test_a_seg_is_exported_by_a_command_with_its_colours_and_names(tmp_path: Path) -> None:
    seg = write_seg(MADE, provenance(MADE, series(ON)), tmp_path / "seg.dcm")
    with pytest.raises(SystemExit) as ended:
        execute(app, ["export", str(seg), "-o", str(tmp_path / "out"), "--files", "ply", "--files", "nifti"])
    assert ended.value.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "1-left_hip_bone_fragment_1.ply",
        "2-left_hip_bone_fragment_2.ply",
        "bones_dseg.nii.gz",
        "bones_dseg.tsv",
    ]
    assert_closed_around(trimesh.load_mesh(tmp_path / "out" / "2-left_hip_bone_fragment_2.ply"), 12)
    _, (_, second) = parts_of_file(seg)
    np.testing.assert_allclose(second.rgb, (10, 200, 30), atol=1)


def test_names_from_elsewhere_never_leave_the_folder(tmp_path: Path) -> None:
    part = replace(parts_of(MADE)[0], name="../../etc/pass\twd\n骨", label="a\tb\nc")
    names = write_files(MADE.label_map, [part], list(FORMATS), tmp_path / "out")
    assert all((tmp_path / "out" / name).is_file() for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert (tmp_path / "out" / "bones_dseg.tsv").read_text().splitlines()[1].split("\t")[1] == "a b c"


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="expected a folder that can be written"):
        write_files(MADE.label_map, parts_of(MADE), ["stl"], tmp_path / "taken")


def test_a_run_writes_the_formats_that_are_set_and_the_next_run_removes_them(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    write_models(tmp_path / "models")
    left = []
    for files in (("stl", "nifti"), ()):
        settings = Settings(models=tmp_path / "models", files=files)
        args = (tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent, lambda *_: MADE)
        run_folder(*args)
        (row,) = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["series"]
        left.append((row["files"], sorted(path.name for path in tmp_path.glob("out/files/*"))))
    assert left[0][0] == [
        "files/11-left_hip_bone_fragment_1.stl",
        "files/12-left_hip_bone_fragment_2.stl",
        "files/bones_dseg.nii.gz",
        "files/bones_dseg.tsv",
    ]
    assert [f"files/{name}" for name in left[0][1]] == left[0][0]
    assert left[1] == ([], [])
