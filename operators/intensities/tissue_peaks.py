"""Computes the histogram of a CT, and finds the peaks of its tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.intensities.fast import peaks

# Voxels in the sample: a tissue of a hundredth of the image still has 20,000
SAMPLE_VOXELS = 2_000_000
LOWEST, HIGHEST = int(np.iinfo(np.int16).min), int(np.iinfo(np.int16).max)
# Standard deviation: the noise of a tissue is at least as wide, fat and muscle are 150 HU apart
SMOOTHING = 8.0
# Least prominence of a peak relative to the highest tissue peak; the noise of the counts is less
LEAST_PROMINENCE = 0.03
# Greatest width at half height of a tissue's peak; trabecular and cortical bone spread over several hundred
WIDEST = 160.0
# Fewer voxels, such as those of thumbnails, make no peaks
LEAST_VOXELS = 30_000
# The peaks on available real CTs (19 series, 5 manufacturers): air -1000 to -966, -1024 where it is clipped;
# fat -134 to -81; soft tissue -4 to 92, with contrast medium. The bands add about 20 on each side.
AIR_HU, FAT_HU, SOFT_HU = (-1060, -920), (-150, -60), (-30, 120)


@dataclass(frozen=True)
class Peak:
    """A maximum of the smoothed histogram; `share` is the part of all voxels within 40 of it."""

    value: int
    prominence: float
    width: float
    share: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each value occurs: `counts[n]` of value LOWEST + n."""

    counts: NDArray[np.int64]

    @property
    def voxels(self) -> int:
        """The number of voxels counted."""
        return int(self.counts.sum())

    @property
    def lowest(self) -> int:
        """The smallest value that occurs."""
        return int(np.flatnonzero(self.counts)[0]) + LOWEST

    @property
    def highest(self) -> int:
        """The largest value that occurs."""
        return int(np.flatnonzero(self.counts)[-1]) + LOWEST

    def share(self, low: float, high: float) -> float:
        """Returns the share of voxels from `low` to `high`, inclusive."""
        first, last = max(int(low), LOWEST) - LOWEST, min(int(high), HIGHEST) - LOWEST
        return float(self.counts[first : last + 1].sum() / max(self.voxels, 1)) if first <= last else 0.0

    def at(self, value: int) -> float:
        """Returns the share of voxels that have this value."""
        return self.share(value, value)

    def largest_share(self, low: int, high: int) -> float:
        """Returns the share of voxels at the most frequent value from `low` to `high`, inclusive."""
        first, last = max(low, LOWEST) - LOWEST, min(high, HIGHEST) - LOWEST
        return float(self.counts[first : last + 1].max(initial=0) / max(self.voxels, 1))


def histogram(values: NDArray[np.int16] | NDArray[np.float32], most_voxels: int = SAMPLE_VOXELS) -> Histogram:
    """Returns the histogram of a regular sample of an array of any shape."""
    step = max(int(np.ceil((values.size / most_voxels) ** (1 / max(values.ndim, 1)))), 1)
    sample = values[(slice(None, None, step),) * values.ndim]
    shifted = np.ravel(sample, order="K").astype(np.int32) - LOWEST
    return Histogram(np.bincount(shifted, minlength=HIGHEST - LOWEST + 1))


def find_peaks(found: Histogram, step: float = 1.0) -> list[Peak]:
    """Returns all prominent peaks, from the lowest value on; values are `step` apart."""
    from scipy import ndimage  # slow to import, and not needed to list a folder's series

    shares = found.counts / max(found.voxels, 1)
    smooth = ndimage.gaussian_filter1d(shares, max(SMOOTHING, step), mode="constant")
    # Padded so that a peak at the border of the range counts too
    padded = np.concatenate(([0.0], smooth, [0.0]))
    places, prominences = peaks.find_peaks(padded, 1e-7)
    if not len(places):
        return []
    tissue = np.sort(prominences)[-2] if len(places) > 1 else prominences[0]
    kept = prominences >= LEAST_PROMINENCE * tissue
    tissues = zip(places[kept].tolist(), prominences[kept].tolist(), strict=True)
    return [peak_at(place, prominence, padded, found) for place, prominence in tissues]


def peak_at(place: int, prominence: float, padded: NDArray[np.float64], found: Histogram) -> Peak:
    """Returns the peak at a place of the padded shares."""
    value = place - 1 + LOWEST
    width = peaks.width_of(padded, place, prominence)
    return Peak(value, prominence, width, found.share(value - 40, value + 40))
