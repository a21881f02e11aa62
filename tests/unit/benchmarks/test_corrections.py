"""The bodies of the benchmark of corrections: a bone in one piece, whose head a plane cuts off."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmarks.corrections import Score, draw_body, row


def test_the_head_is_a_piece_of_the_bone_and_dense_only_at_its_surface() -> None:
    body, other = draw_body(1), draw_body(2)
    whole, rest = body.whole.labels > 0, body.headless.labels > 0
    assert ndimage.label(whole)[1] == 1
    assert ndimage.label(rest)[1] == 1
    head = whole & ~rest
    assert 0.05 < head.sum() / whole.sum() < 0.4
    assert not (rest & body.head).any()
    core = ndimage.binary_erosion(head, iterations=2)
    assert body.ct.hu[core].mean() < body.ct.hu[whole & ~ndimage.binary_erosion(whole)].mean()
    assert (other.whole.labels != body.whole.labels).any()
    np.testing.assert_array_equal(draw_body(1).ct.hu, body.ct.hu)


def test_a_row_of_the_table_has_means_before_and_after() -> None:
    old, new = [Score(0.5, 0.0, 0.0), Score(0.7, 0.2, 0.1)], [Score(0.9, 0.8, 1.0)] * 2
    assert row("1", old, new) == "| 1 | 2 | 0.600 | 0.900 | 0.100 | 0.800 | 0.050 | 1.000 |"
