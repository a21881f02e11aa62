"""The head of a ball joint: its sphere is found from the part that is seen, and taken from the socket."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.ball_joints import fit_heads, restore_heads
from operators.packages.coarse_to_fine import BallJoint

CLASSES, SPACING_MM = ("background", "head", "socket"), (1.5, 1.5, 1.5)
CENTRE_MM, RADIUS_MM = np.array([45.0, 45.0, 48.0]), 23.0
JOINT = BallJoint("head", "socket", (18.0, 28.0), 3.0)


def away_mm(shape: tuple[int, int, int] = (60, 60, 80)) -> NDArray[np.float64]:
    """The distance of each voxel from the centre of the head."""
    at = np.stack(np.meshgrid(*(np.arange(n) * 1.5 for n in shape), indexing="ij"), axis=-1)
    found: NDArray[np.float64] = np.linalg.norm(at - CENTRE_MM, axis=-1)
    return found


def joint(seen_below_mm: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A head on its neck and its socket, which has all of the head above `seen_below_mm`."""
    away = away_mm()
    ball, cup = away < RADIUS_MM, (away > RADIUS_MM + 3) & (away < RADIUS_MM + 9)
    height_mm = np.arange(away.shape[2]) * 1.5
    neck = np.zeros(away.shape, bool)
    neck[20:40, 20:40, :20] = True
    low = np.broadcast_to(height_mm < seen_below_mm, away.shape)
    return (ball & low) | neck, (cup & (height_mm > 36)) | (away < RADIUS_MM + 3) & ~low


def probabilities_of(head: NDArray[np.bool_], socket: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Probabilities of background, head and socket that decide as the masks do."""
    found = np.stack([~(head | socket), head, socket]).astype(np.float32)
    return 0.05 + 0.85 * found


@pytest.mark.parametrize("seen_below_mm", [48.0, 60.0])
def test_the_sphere_is_that_of_the_head_though_its_top_is_given_away(seen_below_mm: float) -> None:
    (sphere,) = fit_heads(*joint(seen_below_mm), SPACING_MM, JOINT.radius_mm)
    assert sphere.radius_mm == pytest.approx(RADIUS_MM, abs=1.5)
    assert np.linalg.norm(sphere.centre_mm - CENTRE_MM) < 2.0


def test_what_the_socket_has_of_the_head_is_given_back_and_the_rest_stays() -> None:
    head, socket = joint(48.0)
    probabilities = probabilities_of(head, socket)
    taken = (probabilities.argmax(axis=0) == 2) & (away_mm() < RADIUS_MM)
    restore_heads(probabilities, CLASSES, SPACING_MM, (JOINT,))
    winner = probabilities.argmax(axis=0)
    assert taken.sum() > 5000
    assert (winner == 1)[taken].mean() > 0.9
    assert (winner == 2)[socket & (away_mm() > RADIUS_MM + 3)].all()
    assert probabilities.sum(axis=0) == pytest.approx(probabilities_of(head, socket).sum(axis=0))


def test_a_shell_of_voxels_taken_for_a_head_is_none() -> None:
    head, socket = joint(48.0)
    speck = head & (away_mm() > RADIUS_MM - 2) & (away_mm() < RADIUS_MM)
    assert list(fit_heads(head, socket, SPACING_MM, JOINT.radius_mm))
    assert not list(fit_heads(speck & (np.arange(80) > 28), socket, SPACING_MM, JOINT.radius_mm))


def test_a_surface_that_is_no_sphere_of_such_a_radius_changes_nothing() -> None:
    head, socket = joint(200.0)
    head[...], socket[...] = False, False
    head[10:50, 10:50, 10:30], socket[10:50, 10:50, 33:60] = True, True
    probabilities = probabilities_of(head, socket)
    before = probabilities.copy()
    restore_heads(probabilities, CLASSES, SPACING_MM, (JOINT,))
    assert (probabilities == before).all()


def test_only_thick_slices_hide_the_gap() -> None:
    assert JOINT.is_hidden_in((0.8, 0.8, 5.0))
    assert not JOINT.is_hidden_in((0.8, 0.8, 3.0))
