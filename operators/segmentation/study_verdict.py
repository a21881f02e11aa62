"""What several radiographs of one study say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operators.packages.confidence import percent
from operators.segmentation.radiograph_answer import RadiographAnswer, Verdict
from operators.segmentation.summary import NOT_RULED_OUT, threshold_words

# The first of these that any image has is the study's: a fracture is often seen in one view alone
ORDER = (Verdict.FRACTURE, Verdict.UNCERTAIN, Verdict.NO_FRACTURE)


@dataclass(frozen=True)
class StudyVerdict:
    """The verdict of a study, the greatest probability of its images, how many there are, and a sentence.

    The probability is that of one image, not calibrated for a study.
    """

    verdict: Verdict
    probability: float
    views: int
    sentence: str


def study_verdict(answers: Sequence[RadiographAnswer]) -> StudyVerdict:
    """Sums up at least one answer: a fracture if any image shows one, else uncertain if any is."""
    verdict = next(each for each in ORDER if any(answer.verdict is each for answer in answers))
    greatest = max(answers, key=lambda answer: answer.probability)
    own = sum(answer.verdict is verdict for answer in answers)
    sentence = words(verdict, own, len(answers), greatest)
    return StudyVerdict(verdict, greatest.probability, len(answers), sentence)


def words(verdict: Verdict, own: int, views: int, greatest: RadiographAnswer) -> str:
    """Returns the verdict of a study in words; `own` of its `views` have it."""
    images = f"{views} radiograph{'' if views == 1 else 's'}"
    most = f"(highest probability {percent(greatest.probability)}; {threshold_words(greatest)})"
    if verdict is Verdict.FRACTURE:
        return f"Fracture in {own} of {images} {most}."
    if verdict is Verdict.UNCERTAIN:
        return f"Uncertain in {own} of {images}, no fracture found in the others {most}. {NOT_RULED_OUT}"
    return f"No fracture found in {images} {most}. {NOT_RULED_OUT}"
