"""The coarse network names what the fine one outlines."""

from __future__ import annotations

import numpy as np

from operators.imaging.identity import identified
from operators.imaging.volume import Grid
from tests.made_packages import made_package

COARSE = Grid((8, 8, 8), np.diag([4.0, 4.0, 4.0, 1.0]))
FINE = Grid((16, 16, 16), np.diag([2.0, 2.0, 2.0, 1.0]))
PACKAGE = made_package()


def certain(spec_classes: tuple[str, ...], name: str, shape: tuple[int, ...], share: float) -> np.ndarray:
    """`share` of the probability for one class, the rest evenly among the others."""
    others = (1 - share) / (len(spec_classes) - 1)
    probabilities = np.full((len(spec_classes), *shape), others, np.float32)
    probabilities[spec_classes.index(name)] = share
    return probabilities


def test_probabilities_still_add_up_to_one() -> None:
    rng = np.random.default_rng(0)
    outlines = rng.dirichlet(np.ones(len(PACKAGE.fine.classes)), FINE.shape).transpose(3, 0, 1, 2)
    where = rng.dirichlet(np.ones(len(PACKAGE.coarse.classes)), COARSE.shape).transpose(3, 0, 1, 2)
    named = identified(outlines.astype(np.float32), FINE, where.astype(np.float32), COARSE, PACKAGE)
    np.testing.assert_allclose(named.sum(axis=0), 1, atol=1e-5)
    assert named.min() >= 0


def test_a_doubtful_fine_class_gives_way_to_a_sure_coarse_one() -> None:
    first, second = PACKAGE.labels[0], PACKAGE.labels[1]
    fine_classes, coarse_classes = PACKAGE.fine.classes, PACKAGE.coarse.classes
    outlines = np.full((len(fine_classes), *FINE.shape), 0.02, np.float32)
    outlines[fine_classes.index(first.fine_class)] = 0.58
    outlines[fine_classes.index(second.fine_class)] = 0.38
    where = certain(coarse_classes, second.coarse_class, COARSE.shape, 0.95)
    named = identified(outlines, FINE, where, COARSE, PACKAGE)[:, 4:12, 4:12, 4:12]
    assert (named.argmax(axis=0) == fine_classes.index(second.fine_class)).all()


def test_bone_that_the_coarse_network_did_not_see_is_none() -> None:
    outlines = certain(PACKAGE.fine.classes, PACKAGE.labels[0].fine_class, FINE.shape, 0.99)
    where = certain(PACKAGE.coarse.classes, PACKAGE.coarse.classes[0], COARSE.shape, 1.0)
    assert (identified(outlines, FINE, where, COARSE, PACKAGE).argmax(axis=0) == 0).all()
