"""The levels of a radiograph: percentiles of lines, and how often each level comes."""

from __future__ import annotations

import numpy as np
import pytest

from operators.intensities.grey_levels import ROWS_AT_ONCE, _of_lines, levels_of

PERCENTS = (5.0, 50.0, 95.0)


@pytest.mark.parametrize("samples", [1, 2, 3, 21, 625, 1000])
@pytest.mark.parametrize("kind", ["int32", "float64"])
def test_percentiles_of_lines_are_numpys(samples: int, kind: str) -> None:
    lines = np.random.default_rng(samples).normal(8000, 3000, (40, samples)).astype(kind)
    for each in (lines, np.asfortranarray(lines)):
        assert np.array_equal(_of_lines(each, PERCENTS), np.percentile(each, PERCENTS, axis=1))


def test_levels_are_counted_in_every_row_but_not_where_they_are_padding() -> None:
    stored = np.random.default_rng(0).integers(-50, 4000, (2 * ROWS_AT_ONCE + 7, 90)).astype(np.int32)
    padded = stored < 100
    for mask, chosen in ((None, stored), (padded, stored[~padded])):
        levels = levels_of(stored, mask)
        values, counts = np.unique(chosen, return_counts=True)
        assert np.array_equal(levels.values[levels.counts > 0], values)
        assert np.array_equal(levels.counts[levels.counts > 0], counts)
