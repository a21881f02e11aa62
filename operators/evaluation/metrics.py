"""The metrics of an evaluation: of a fragment, of a bone, of a case; and what people changed of a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluatedBone:
    """A bone and the label values that it and its fragments may have."""

    name: str
    values: range


@dataclass(frozen=True)
class Agreement:
    """Agreement of a mask with the ground truth: IoU, and surface distances in mm."""

    iou: float
    hd95_mm: float
    assd_mm: float


@dataclass(frozen=True)
class DetectionMetrics:
    """Fragments found one to one at IoU >= 0.5; precision and F1 are 0 without any prediction."""

    true_fragments: int
    predicted_fragments: int
    found: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class FragmentMetrics:
    """The metrics of one true fragment; `local_dice` is None if it faces no other fragment."""

    value: int
    matched_value: int | None
    volume_ml: float
    agreement: Agreement
    local_dice: float | None
    found: bool


@dataclass(frozen=True)
class BoneMetrics:
    """The metrics of one bone in the ground truth.

    `whole_iou` is the `fragment_iou` of the predicted bone left whole: the baseline without separation.
    `false_fragments` counts the fragments beyond one into which an intact bone was split.
    """

    name: str
    anatomy: Agreement
    fragments: tuple[FragmentMetrics, ...]
    detection: DetectionMetrics
    merges: int
    splits: int
    false_fragments: int
    fragment_iou: float
    whole_iou: float
    local_dice: float | None

    @property
    def fractured(self) -> bool:
        """Whether the ground truth has two fragments or more."""
        return len(self.fragments) > 1


@dataclass(frozen=True)
class CaseMetrics:
    """The metrics of one case; the last three are means over its fractured bones, None if there are none.

    `absent_bones` were predicted but are not in the ground truth; their fragments lower the precision.
    """

    anatomy: Agreement
    fragment: Agreement
    detection: DetectionMetrics
    merges: int
    splits: int
    false_fragments: int
    bones: tuple[BoneMetrics, ...]
    absent_bones: tuple[str, ...]
    fractured_iou: float | None
    whole_iou: float | None
    local_dice: float | None


@dataclass(frozen=True)
class Change:
    """What a corrected result changes of one segment: Dice with the prediction, and ml added and removed."""

    segment: str
    dice: float
    added_ml: float
    removed_ml: float
