"""The content of the HTML report on a radiograph, as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.run.html.content import colour_of, meanings
from operators.packages.confidence import percent
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import area, finding_name, verdict_sentence


def radiograph_content(made: Segmentation) -> dict[str, Any]:
    """Returns the verdict, how it was reached, and the findings. Raises ValueError without an answer."""
    answer = made.answer
    if answer is None:
        raise ValueError("expected the answer for a radiograph, got none")
    least, greatest = answer.uncertain
    decision = {
        "threshold": percent(answer.threshold),
        "least": percent(least),
        "greatest": percent(greatest),
        "body_part": percent(answer.body_part.probability),
        "view": percent(answer.view.probability),
        "hardware": percent(answer.hardware),
    }
    verdict = verdict_sentence(answer)
    return {"answer": answer, "verdict": verdict, "decision": decision, "rows": [*finding_rows(made)]}


def finding_rows(made: Segmentation) -> Iterator[dict[str, Any]]:
    """Yields a line of the table for each finding; rows and columns of the image are counted from 1."""
    colours = {segment.value: colour_of(segment) for segment in made.segments}
    for finding in made.answer.findings if made.answer else ():
        top, left, bottom, right = finding.box
        yield {
            "name": finding_name(finding),
            "colour": colours.get(finding.value, "transparent"),
            "probability": percent(finding.probability),
            "area": area(finding),
            "rows": f"{top + 1} to {bottom}",
            "columns": f"{left + 1} to {right}",
            "flags": meanings(made.flags, {finding.value}),
        }
