"""A face of a fracture is darker than the bone on both sides of it."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.fragments.dark_faces import BRIGHT_ODDS, brightness, decisive_odds
from operators.fragments.evidence import FractureEvidence, Fragments
from operators.packages.confidence import CERTAIN


def halves(apart: bool = False) -> NDArray[np.uint16]:
    """Two halves of a bone, which meet or lie apart."""
    labels = np.zeros((40, 20, 20), np.uint16)
    labels[2:20, 2:18, 2:18], labels[20:38, 2:18, 2:18] = 1, 2
    if apart:
        labels[19:21] = 0
    return labels


def seen(labels: NDArray[np.uint16], face_hu: float) -> FractureEvidence:
    """Bone of 400 HU with another on the face, blanked around."""
    hu = np.where(labels > 0, 400, -1000).astype(np.float32)
    hu[19:21] = np.where(labels[19:21] > 0, face_hu, -1000)
    return FractureEvidence(labels > 0, labels < 0, np.zeros(labels.shape, np.float32), hu, 1.2)


@pytest.mark.parametrize(("face_hu", "share"), [(100, 0.25), (400, 1.0), (600, 1.5), (-100, -0.25)])
def test_the_brightness_of_a_face_is_a_share_of_the_bone_beside_it(face_hu: float, share: float) -> None:
    labels = halves()
    found = Fragments(labels, {(1, 2): 2.0}, 2.0)
    assert brightness(found, seen(labels, face_hu), (1, 2)) == pytest.approx(share)


@pytest.mark.parametrize(("face_hu", "odds"), [(100, 2.0), (350, 2.0 - BRIGHT_ODDS)])
def test_a_bright_face_decides_less_than_a_dark_one(face_hu: float, odds: float) -> None:
    labels = halves()
    assert decisive_odds(Fragments(labels, {(1, 2): 2.0}, 2.0), seen(labels, face_hu)) == odds


def test_a_piece_that_touches_no_other_decides_by_its_odds() -> None:
    labels = halves(apart=True)
    assert decisive_odds(Fragments(labels, {(1, 2): 1.5}, 1.5), seen(labels, inf)) == 1.5


def test_nothing_decides_where_nothing_is_parted() -> None:
    labels = np.minimum(halves(), 1).astype(np.uint16)
    assert decisive_odds(Fragments(labels, {}, -2.0), seen(labels, 0)) == -CERTAIN
