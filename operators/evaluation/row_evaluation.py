"""Computes the metrics of bones in a row: which are identified, and whether each is outlined once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.evaluation.overlaps import Overlap, overlap

Labels = NDArray[np.uint8] | NDArray[np.uint16]
Points = NDArray[np.float64]
Names = Mapping[int, str]

# VerSe (Sekuboyina et al., Med Image Anal 2021;73:102166): a bone is identified if of all predicted centroids
# that of its level is the nearest to its true one, and lies within 20 mm
IDENTIFIED_MM = 20.0


@dataclass(frozen=True)
class RowBoneMetrics:
    """The metrics of one true bone of a row.

    `outlined` are the predicted bones whose voxels lie mostly in it, `called` the names of these. `dice` is
    that of the level of its name, as in VerSe; `outline_dice` that of the first bone that is mostly in it,
    whatever its name.
    """

    name: str
    identified: bool
    outlined: tuple[int, ...]
    called: tuple[str, ...]
    dice: float
    outline_dice: float


@dataclass(frozen=True)
class RowMetrics:
    """The metrics of a scan of bones in a row; `false_bones` are predicted where there is mostly none.

    `is_flagged`: the result says that its names are uncertain.
    """

    bones: tuple[RowBoneMetrics, ...]
    false_bones: int
    is_flagged: bool

    @property
    def identified(self) -> float:
        """The share of the true bones that are identified."""
        return float(np.mean([bone.identified for bone in self.bones]))

    @property
    def doubled(self) -> int:
        """The number of bones that are predicted beside another in the same true bone."""
        return sum(max(len(bone.outlined) - 1, 0) for bone in self.bones)

    @property
    def skipped(self) -> int:
        """The number of true bones in which no predicted bone mostly lies."""
        return sum(not bone.outlined for bone in self.bones)

    @property
    def shifted(self) -> int:
        """The number of predicted bones with another name than the true bone that they mostly lie in."""
        return sum(name != bone.name for bone in self.bones for name in bone.called)

    @property
    def shifted_unflagged(self) -> int:
        """The number of wrong names that no flag warns of."""
        return 0 if self.is_flagged else self.shifted

    @property
    def is_right(self) -> bool:
        """Whether the whole sequence is right: each bone is predicted once, under its name, no other."""
        return not self.false_bones and all(bone.called == (bone.name,) for bone in self.bones)


def evaluate_row(
    prediction: Labels,
    truth: Labels,
    steps_mm: Points,
    predicted_names: Names,
    true_names: Names,
    is_flagged: bool = False,
) -> RowMetrics:
    """Returns the metrics of label maps (I, J, K) whose values have names; there is at least one true bone.

    `steps_mm` (3, 3) are the steps along the axes, in columns. Values without a name count as background.
    """
    prediction, truth = only(prediction, predicted_names), only(truth, true_names)
    pairs = overlap(truth, prediction)
    homes = homes_of(pairs)
    centroids = {
        predicted_names[value]: centre for value, centre in centroids_mm(prediction, steps_mm).items()
    }
    centres = centroids_mm(truth, steps_mm)
    bones = []
    for value in pairs.truth_values:
        name = true_names[value]
        hit = is_identified(name, centres[value], centroids)
        bones.append(evaluate_bone(value, name, predicted_names, pairs, homes, hit))
    return RowMetrics(tuple(bones), sum(home is None for home in homes.values()), is_flagged)


def only(labels: Labels, names: Names) -> NDArray[np.uint16]:
    """Returns labels without the values that have no name."""
    kept: NDArray[np.uint16] = np.where(np.isin(labels, list(names)), labels, 0).astype(np.uint16)
    return kept


def homes_of(pairs: Overlap) -> dict[int, int | None]:
    """Returns for each predicted value the true one that holds half of its voxels or more, None for none."""
    return {
        value: pairs.truth_values[int(common.argmax())]
        if len(common) and 2 * common.max() >= voxels
        else None
        for value, common, voxels in zip(
            pairs.prediction_values, pairs.common.T, pairs.prediction.tolist(), strict=True
        )
    }


def evaluate_bone(
    value: int,
    name: str,
    predicted_names: Names,
    pairs: Overlap,
    homes: Mapping[int, int | None],
    identified: bool,
) -> RowBoneMetrics:
    """Returns the metrics of one true bone."""
    own = tuple(found for found, home in homes.items() if home == value)
    same = [found for found in homes if predicted_names[found] == name]
    return RowBoneMetrics(
        name,
        identified,
        own,
        tuple(predicted_names[found] for found in own),
        dice_of(value, same[:1], pairs),
        dice_of(value, own[:1], pairs),
    )


def dice_of(value: int, found: list[int] | tuple[int, ...], pairs: Overlap) -> float:
    """Returns the Dice of a true bone and a predicted one, of which there may be none."""
    if not found:
        return 0.0
    row, column = pairs.truth_values.index(value), pairs.prediction_values.index(found[0])
    return float(2 * pairs.common[row, column] / (pairs.truth[row] + pairs.prediction[column]))


def centroids_mm(labels: NDArray[np.uint16], steps_mm: Points) -> dict[int, Points]:
    """Returns the centroid (3,) of each value, in mm from voxel 0."""
    values = [int(value) for value in np.unique(labels) if value]
    centres = ndimage.center_of_mass(labels > 0, labels, values)
    return {value: steps_mm @ np.array(centre) for value, centre in zip(values, centres, strict=True)}


def is_identified(name: str, centre: Points, centroids: Mapping[str, Points]) -> bool:
    """Returns whether a bone is identified by VerSe's rule, from the predicted centroids by their names."""
    if name not in centroids:
        return False
    away_mm = {key: float(np.linalg.norm(each - centre)) for key, each in centroids.items()}
    return away_mm[name] <= IDENTIFIED_MM and away_mm[name] == min(away_mm.values())
