"""The part of the HTML report on bones that lie in a row, as plain text: level, heights and density."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from app.run.html.content import NONE, colour_of, meanings
from operators.packages.confidence import percent
from operators.segmentation.body_words import LOW_HU
from operators.segmentation.measurements import (
    BodyHeights,
    HeightLoss,
    Measured,
    SegmentMeasurements,
    VertebralBody,
)
from operators.segmentation.segmentation import LevelName, Segment, Segmentation
from operators.segmentation.summary import bone_name, level_words


@dataclass(frozen=True)
class LevelRow:
    """A line of the table: one bone of the row."""

    name: str
    colour: str
    probability: str
    runner_up: str
    heights: str
    loss: str
    grade: str
    density: str
    flags: tuple[str, ...]


def level_rows_of(made: Segmentation) -> list[LevelRow]:
    """Returns a row for every bone that has a level, from the top down."""
    measured = {row.value: row for row in made.measurements}
    words = {label.name: label.meaning for label in made.package.labels}
    found = []
    for _, group in groupby(made.segments, key=lambda segment: segment.bone):
        segments = list(group)
        if (level := segments[0].level) is not None:
            found.append(level_row(segments, level, words, measured.get(segments[0].value), made))
    return found


def level_row(
    segments: list[Segment],
    level: LevelName,
    words: dict[str, str],
    row: SegmentMeasurements | None,
    made: Segmentation,
) -> LevelRow:
    """Returns the row of one bone, which has one segment or several fragments."""
    body = (row.vertebral_body if row else None) or VertebralBody()
    loss = body.loss if isinstance(body.loss, HeightLoss) else None
    return LevelRow(
        name=bone_name(segments[0]),
        colour=colour_of(segments[0]),
        probability=f"{level_words(level.likeliest, words)} {percent(level.probability)}",
        runner_up=f"{level_words(level.runner_up, words)} {percent(level.runner_up_probability)}",
        heights=heights_text(body),
        loss=percent(loss.share) if loss else NONE,
        grade=f"{loss.grade}{f' ({loss.form})' if loss.form else ''}" if loss else NONE,
        density=density_text(body),
        flags=meanings(made.flags, {segment.value for segment in segments}),
    )


def heights_text(body: VertebralBody) -> str:
    """Returns the heights of a body in front, in the middle and at the back."""
    heights = body.heights_mm
    if not isinstance(heights, BodyHeights):
        return NONE
    three = (heights.anterior, heights.middle, heights.posterior)
    return f"{', '.join(f'{each.value:.1f}' for each in three)} mm"


def density_text(body: VertebralBody) -> str:
    """Returns the trabecular density of a body."""
    if not isinstance(body.trabecular_hu, Measured):
        return NONE
    return f"{body.trabecular_hu.value:.0f} HU{' (low)' if body.trabecular_hu.value < LOW_HU else ''}"
