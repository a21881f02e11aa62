from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.errors import UsageError
from training.recipe_file import JointTable
from training.subjects.meshes import Part, Points, ellipsoid, points_of
from training.subjects.posing import near_points, posed, rise_into, sphere_through

HEAD_MM = np.array([40.0, 0.0, 0.0])
NOTHING = np.zeros((0, 3))


def limb(side: str = "_left", x_mm: float = 40.0, away_mm: float = 0.0) -> list[Part]:
    """A ball in a shell 4 mm wider, with a rod's end 200 mm below the ball."""
    centre = np.array([x_mm, 0.0, 0.0])
    ball = ellipsoid("ball" + side, np.add(centre, [0, 0, away_mm]), np.full(3, 20.0))
    shell = hollow(ellipsoid("socket" + side, centre, np.full(3, 24.0)))
    end = ellipsoid("shaft" + side, np.add(centre, [0, 0, away_mm - 200]), np.full(3, 5.0))
    return [ball, shell, end]


def hollow(part: Part) -> Part:
    """The surface seen from inside, as that of a cavity."""
    return replace(part, faces=part.faces[:, ::-1])


def joint(**given: object) -> JointTable:
    return JointTable.model_validate(
        {"ball": "ball", "socket": "socket", "moves": ("ball", "shaft"), "reach_mm": 12.0, **given}
    )


def middle(parts: list[Part], structure: str) -> Points:
    found: Points = points_of(parts, structure).mean(axis=0)
    return found


def draw(parts: list[Part], row: JointTable) -> list[Part]:
    return posed(np.random.default_rng(0), parts, [row], lambda _: NOTHING)


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        ({"flexion_deg": (90.0, 90.0)}, [40, -200, 0]),
        ({"abduction_deg": (90.0, 90.0)}, [240, 0, 0]),
        ({"rotation_deg": (90.0, 90.0)}, [40, 0, -200]),
    ],
)
def test_a_limb_turns_about_the_middle_of_its_ball(angle: dict[str, object], expected: list[float]) -> None:
    parts = draw(limb(), joint(**angle))
    np.testing.assert_allclose(middle(parts, "shaft_left"), expected, atol=0.5)
    np.testing.assert_allclose(middle(parts, "ball_left"), HEAD_MM, atol=0.5)


def test_abduction_moves_both_sides_outward() -> None:
    parts = [*limb(), *limb("_right", -40.0)]
    drawn = draw(parts, joint(abduction_deg=(30.0, 30.0)))
    assert middle(drawn, "shaft_left")[0] == pytest.approx(140, abs=1)
    assert middle(drawn, "shaft_right")[0] == pytest.approx(-140, abs=1)


def test_a_dislocated_ball_is_seated_in_its_socket() -> None:
    drawn = draw(limb(away_mm=3.0), joint(seated=True, reach_mm=15.0, gap_mm=(3.0, 5.0)))
    np.testing.assert_allclose(middle(drawn, "ball_left"), HEAD_MM, atol=0.3)
    np.testing.assert_allclose(middle(drawn, "shaft_left"), [40, 0, -200], atol=0.3)


def test_a_bone_comes_to_rest_below_another_that_it_crossed() -> None:
    ball = ellipsoid("ball_left", np.zeros(3), np.full(3, 20.0))
    plateau = ellipsoid("socket_left", np.array([0.0, 0.0, -10.0]), np.full(3, 20.0))
    drawn = draw([ball, plateau], joint(moves=("socket",), rests=True))
    touching = rise_into(points_of(drawn, "socket_left"), points_of(drawn, "ball_left"))
    assert touching == pytest.approx(0, abs=1e-6)
    assert middle(drawn, "socket_left")[2] == pytest.approx(-40, abs=2)


def test_a_surface_joins_the_body_around_at_its_origin() -> None:
    shell = ellipsoid("socket_left", np.array([70.0, 80.0, 90.0]), np.full(3, 24.0))
    around = {
        "ball_left": shell.points * 0.95 + 0.05 * shell.points.mean(axis=0),
        "socket_left": shell.points,
    }
    own = [ellipsoid("ball_left", np.zeros(3), np.full(3, 20.0))]
    row = joint(at_origin=True)
    drawn = posed(np.random.default_rng(0), own, [row], lambda name: around[name])
    np.testing.assert_allclose(middle(drawn, "ball_left"), [70, 80, 90], atol=0.1)


def test_all_that_moves_can_be_missing() -> None:
    assert [part.structure for part in draw(limb(), joint(missing=1.0))] == ["socket_left"]


def test_bones_that_do_not_meet_are_refused() -> None:
    with pytest.raises(UsageError, match="expected a joint"):
        sphere_through(near_points(np.zeros((50, 3)), np.full((50, 3), 99.0), 8.0))
