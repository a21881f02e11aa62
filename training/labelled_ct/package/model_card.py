"""The model card of networks that were trained on a data set, and the table of all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.labelled_ct.curves import CURVES_FILE
from training.labelled_ct.folds import Fold, by_patient
from training.labelled_ct.scoring import CaseScore, figures_of

CARD_FILE = "MODEL_CARD.md"
NOT_CLINICAL = "Not for clinical use: these networks are no medical device, and nobody validated them as one."


@dataclass(frozen=True)
class FoldResult:
    """A fold and the scores of its networks on its held-out cases."""

    fold: Fold
    scores: tuple[CaseScore, ...]

    @property
    def mean(self) -> float:
        """The mean Dice over patients; NaN if no case shows a class."""
        return figures_of(self.scores, ())[-1].value


def best_of(results: Sequence[FoldResult]) -> FoldResult:
    """Returns the fold whose networks are installed: that with the highest mean, the first of equals."""
    return max(results, key=lambda one: (np.nan_to_num(one.mean, nan=-1.0), -one.fold.number))


def fold_table(results: Sequence[FoldResult], classes: Sequence[str]) -> str:
    """Returns a table of Dice: a row for each class and the mean, a column for each fold, and all of them."""
    scores = [one for result in results for one in result.scores]
    head = [
        "Dice",
        *(f"fold {one.fold.number}" for one in results),
        "all folds",
        "95 % interval",
        "patients",
        "found where absent",
    ]
    of_folds = [figures_of(one.scores, classes) for one in results]
    rows = [
        [all_of.name, *(number(fold[at].value) for fold in of_folds), number(all_of.value),
         f"{number(all_of.low)} to {number(all_of.high)}", str(all_of.patients),
         "" if all_of.name == "mean" else str(all_of.invented)]
        for at, all_of in enumerate(figures_of(scores, classes))
    ]  # fmt: skip
    counts = [
        "patients held out",
        *(str(len(by_patient(one.fold.held_out))) for one in results),
        "",
        "",
        "",
        "",
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows, counts))


def number(value: float) -> str:
    """Returns a Dice as text."""
    return "–" if np.isnan(value) else f"{value:.3f}"


def card_text(
    name: str,
    title: str,
    results: Sequence[FoldResult],
    classes: Sequence[str],
    facts: Sequence[str],
    installed: Sequence[Fold],
) -> str:
    """Returns the model card: what it is, the figures of all folds, and how they were measured."""
    lines = [
        f"# {name}",
        NOT_CLINICAL,
        f"Trained by `osteon train` on the data set {title}: {', '.join(classes)}.",
        f"## Cross-validation, {len(results)} folds",
        fold_table(results, classes),
        "Mean over patients, intervals by bootstrap over patients. Every case was measured by the networks "
        "of the fold that held its patient out: neither trained on nor used to choose weights. The image "
        "path of a run was used up to the outlines of bones; fragments were not scored. The training sets of "
        "the folds overlap: the intervals are about patients, not about trainings.",
        installed_text(installed, len(results)),
        f"![Learning curves]({CURVES_FILE})",
        "## How",
        "\n".join(f"- {fact}" for fact in facts),
    ]
    return "\n\n".join(lines) + "\n"


def installed_text(installed: Sequence[Fold], folds: int) -> str:
    """Returns which networks are installed, and what the figures say of them."""
    if len(installed) > 1:
        return (
            f"Installed are the networks of {len(installed)} of {folds} folds as one: the mean of their "
            "probabilities. Every patient trained some of them, so that nothing here measures the mean "
            "itself: the figures are of its single networks, on patients that each never saw."
        )
    (best,) = installed
    trained, watched = (len(by_patient(part)) for part in (best.trained, best.watched))
    return (
        f"Installed are the networks of fold {best.number}, which has the highest mean; they were trained on "
        f"{trained} patients, and {watched} more chose the weights. To be the best of {folds} says little "
        "about other patients: expect the figures of all folds, on scans like those of the data set."
    )
