"""Failures as sentences: metrics below their floors, body parts, attributes, false positive findings."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy.radiographs.cases import Cases
from benchmarks.accuracy.radiographs.measures import (
    GOALS,
    Goal,
    detection_limit,
    finding_counts,
    fractures_missed,
    image_auc,
)
from benchmarks.accuracy.radiographs.rows import RadiographRows
from benchmarks.accuracy.radiographs.tables import body_parts, figure, interval_text, metal_of, recognitions
from operators.radiographs.answer import LIKELY
from training.radiograph.report import FALSE_PER_IMAGE

NOT_MET = "not met"
# The AUC of chance
CHANCE = 0.5


def failures(cases: Cases, rows: RadiographRows) -> list[str]:
    """Returns a sentence for each failure."""
    return [
        *goal_failures(cases),
        *finding_failures(cases),
        *body_part_failures(cases, rows),
        *recognition_failures(cases, rows),
    ]


def goal_failures(cases: Cases) -> Iterator[str]:
    """Yields the metrics below their floor, of all images or only of those without metal."""
    plain = cases.where(~metal_of(cases))
    for goal in GOALS:
        if sentence := below(goal, cases):
            yield sentence
        elif sentence := below(goal, plain):
            yield f"Without metal: {sentence}"


def below(goal: Goal, cases: Cases) -> str:
    """Returns a sentence on a metric that does not meet its floor; none if it does."""
    value = goal.of(cases)
    if goal.verdict(value) != NOT_MET:
        return ""
    return f"{goal.name}: {figure(value.value)}; the floor is {goal.floor:.2f}."


def finding_failures(cases: Cases) -> Iterator[str]:
    """Yields a sentence where a run shows no outlines, or most of them are wrong."""
    found = finding_counts(cases)
    if not found.shown:
        yield "A run outlines no fracture in any image: no finding has a probability of 0.5 or more."
    elif found.right < LIKELY * found.shown:
        yield f"{found.shown - found.right} of the {found.shown} findings that runs show hit no fracture."


def body_part_failures(cases: Cases, rows: RadiographRows) -> Iterator[str]:
    """Yields the body parts in which most fractures are missed, or images are not distinguished."""
    limit = detection_limit(cases)
    for name, own in body_parts(cases, rows).items():
        part = cases.where(own)
        missed, fractures = fractures_missed(part, limit)
        if fractures and missed > fractures / 2:
            yield (
                f"{name}: {missed} of {fractures} fractures are missed at {FALSE_PER_IMAGE} false positives "
                "an image."
            )
        value = image_auc(part)
        if value.known and not value.low > CHANCE:
            yield (
                f"{name}: fractured and other images are not reliably separated, AUC {figure(value.value)} "
                f"({interval_text(value)})."
            )


def recognition_failures(cases: Cases, rows: RadiographRows) -> Iterator[str]:
    """Yields the attributes that are recognised no better than by a constant prediction."""
    for one in recognitions(cases, rows):
        if one.accuracy.known and one.accuracy.value <= one.constant < 1:
            yield (
                f"{one.name}: recognised in {figure(one.accuracy.value)} of the images, no more than by a "
                f"constant prediction ({figure(one.constant)})."
            )
