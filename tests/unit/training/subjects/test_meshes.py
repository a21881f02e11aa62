from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from operators.errors import UsageError
from training.subjects.meshes import Part, ellipsoid, load_parts, voxels_inside

BALL = ellipsoid("ball", np.array([3.0, -2.0, 5.0]), np.array([10.0, 14.0, 20.0]))


def volume_ml(part: Part, spacing_mm: float) -> float:
    _, inside = voxels_inside(part, np.full(3, -60.0), spacing_mm)
    return float(inside.sum() * spacing_mm**3 / 1000)


def test_the_voxels_inside_a_surface_have_its_volume_and_place() -> None:
    enclosed = trimesh.Trimesh(BALL.points, BALL.faces).volume / 1000
    assert volume_ml(BALL, 1.0) == pytest.approx(enclosed, rel=0.01)
    box, inside = voxels_inside(BALL, np.full(3, -60.0), 1.0)
    middle = np.argwhere(inside).mean(axis=0) + [part.start for part in box] - 60
    np.testing.assert_allclose(middle, [3, -2, 5], atol=0.1)


def test_a_small_hole_in_a_surface_does_not_leak() -> None:
    punctured = replace(BALL, faces=BALL.faces[5:])
    assert volume_ml(punctured, 1.0) == pytest.approx(volume_ml(BALL, 1.0), rel=0.01)


def test_corresponding_surfaces_are_mixed_and_split_into_their_parts(tmp_path: Path) -> None:
    for name, radius in (("small", 10.0), ("large", 20.0)):
        balls = [trimesh.creation.icosphere(subdivisions=2, radius=radius) for _ in range(2)]
        balls[1].apply_translation([100, 0, 0])
        trimesh.util.concatenate(balls).export(tmp_path / f"{name}.ply")
    paths = [tmp_path / "small.ply", tmp_path / "large.ply"]
    here, there = load_parts(paths, [0.25, 0.75], ["here", "there"])
    assert (here.structure, there.structure) == ("here", "there")
    np.testing.assert_allclose(np.linalg.norm(here.points, axis=1), 17.5, rtol=1e-5)
    np.testing.assert_allclose(there.points.mean(axis=0), [100, 0, 0], atol=1e-4)
    with pytest.raises(UsageError, match="expected 3 separate surfaces"):
        load_parts(paths, [0.25, 0.75], ["one", "two", "three"])
    with pytest.raises(UsageError, match="found none"):
        load_parts([tmp_path / "no.ply"], [1.0], ["one"])


def test_a_mirror_image_lies_on_the_other_side_of_its_plane() -> None:
    other = BALL.mirrored(1.0, "other")
    np.testing.assert_allclose(other.points[:, 0].mean(), -1.0, atol=1e-6)
    assert trimesh.Trimesh(other.points, other.faces).volume > 0
