"""What several radiographs of one study say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operators.packages.confidence import percent
from operators.segmentation.radiograph_answer import RadiographAnswer, Verdict
from operators.segmentation.summary import NOT_RULED_OUT, threshold_words

# The first of these that any image has is the study's: a fracture is often seen in one view alone
ORDER = (Verdict.FRACTURE, Verdict.UNCERTAIN, Verdict.NO_FRACTURE)

TRAINED = "the networks were trained on"


@dataclass(frozen=True)
class StudyVerdict:
    """The verdict of a study, the greatest probability of its images, how many there are, and a sentence.

    The probability is that of one image, not calibrated for a study. `not_read` radiographs are not among the
    `views`; `doubtful` are the views that may not be of the kind that the networks were trained on.
    """

    verdict: Verdict
    probability: float
    views: int
    not_read: int
    doubtful: int
    sentence: str


def study_verdict(answers: Sequence[RadiographAnswer], not_read: int = 0, doubtful: int = 0) -> StudyVerdict:
    """Sums up at least one answer: a fracture if any image shows one, else uncertain if any is."""
    verdict = next(each for each in ORDER if any(answer.verdict is each for answer in answers))
    greatest = max(answers, key=lambda answer: answer.probability)
    own = sum(answer.verdict is verdict for answer in answers)
    views = len(answers)
    sentences = (
        f"Only {views} of {images(views + not_read)} could be read." if not_read else "",
        words(verdict, own, views, greatest),
        f"{some(doubtful, views)} may be of another kind or body part than {TRAINED}." if doubtful else "",
    )
    sentence = " ".join(filter(None, sentences))
    return StudyVerdict(verdict, greatest.probability, views, not_read, doubtful, sentence)


def images(count: int) -> str:
    """Returns a number of radiographs in words."""
    return f"{count} radiograph{'' if count == 1 else 's'}"


def some(count: int, views: int) -> str:
    """Returns "1 of 2 radiographs", or without "of" if it is all of them."""
    return images(views) if count == views else f"{count} of {images(views)}"


def words(verdict: Verdict, own: int, views: int, greatest: RadiographAnswer) -> str:
    """Returns the verdict of a study in words; `own` of its `views` have it."""
    where = some(own, views)
    most = f"(highest probability {percent(greatest.probability)}; {threshold_words(greatest)})"
    if verdict is Verdict.FRACTURE:
        return f"Fracture in {where} {most}."
    if verdict is Verdict.UNCERTAIN:
        rest = {0: "", 1: ", no fracture found in the other"}
        others = rest.get(views - own, ", no fracture found in the others")
        return f"Uncertain in {where}{others} {most}. {NOT_RULED_OUT}"
    return f"No fracture found in {images(views)} {most}. {NOT_RULED_OUT}"
