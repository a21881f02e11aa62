"""Draws the reliability diagram as SVG and writes the section of the model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from training.calibrate.reliability import BINS, Reliability
from training.files import with_block, write_text

FILE = "reliability.svg"
BEGIN, END = "<!-- reliability -->", "<!-- /reliability -->"
SIDE, GAP, TOP = 180, 56, 34
# Okabe and Ito's blue, which colour-blind readers distinguish from grey (jfly.uni-koeln.de/color)
BLUE, GREY = "#0072b2", "#999999"


def write_card(folder: Path, found: Mapping[str, Reliability], fitted_on: str) -> None:
    """Writes the diagram beside the folder's model card, and the card's section between the markers."""
    write_text(folder / FILE, diagram(found))
    card = folder / "MODEL_CARD.md"
    text = with_section(card.read_text(encoding="utf-8") if card.is_file() else "", section(found, fitted_on))
    write_text(card, text)


def with_section(card: str, content: str) -> str:
    """Returns the card with `content` between its markers, or appended if it has none."""
    if BEGIN not in card or END not in card:
        return f"{card.rstrip()}\n\n## Probabilities\n\n{BEGIN}\n{content}{END}\n".lstrip()
    return with_block(card, BEGIN, END, f"\n{content}")


def section(found: Mapping[str, Reliability], fitted_on: str) -> str:
    """Returns the section's Markdown: metrics of each calibration, and the diagram."""
    rows = [
        f"| {name} | {int(one.counts.sum())} | {one.error:.3f} | {one.brier:.3f} |\n"
        for name, one in found.items()
    ]
    return (
        f"Fitted on {fitted_on}.\nEach figure is measured on cases that its calibration was not fitted on "
        "(five folds). The\ncases are simulated, so the figures say little about real patients.\n\n"
        "| probability | cases | expected calibration error | Brier score |\n| --- | --- | --- | --- |\n"
        f"{''.join(rows)}\n![Predicted against observed]({FILE})\n"
    )


def diagram(found: Mapping[str, Reliability]) -> str:
    """Draws one square for each calibration: predicted to the right, observed upwards, counts beside dots."""
    width, height = len(found) * (SIDE + GAP) + GAP, SIDE + TOP + GAP
    squares = "".join(
        f'<g transform="translate({GAP + n * (SIDE + GAP)} {TOP})">{square(name, one)}</g>'
        for n, (name, one) in enumerate(found.items())
    )
    return svg(width, height, squares)


def svg(width: int, height: int, drawn: str) -> str:
    """Returns a drawing on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">'
        f'<rect width="100%" height="100%" fill="white"/>{drawn}</svg>\n'
    )


def square(name: str, one: Reliability) -> str:
    """Draws one diagram: the diagonal of perfect calibration, and a dot for each bin that is not empty."""
    dots = "".join(
        dot(float(one.predicted[n]), float(one.observed[n]), int(one.counts[n]))
        for n in range(BINS)
        if one.counts[n]
    )
    ticks = "".join(
        text(SIDE * share, SIDE + 14, f"{share:g}", "middle")
        + text(-6, SIDE * (1 - share) + 3, f"{share:g}", "end")
        for share in (0, 0.5, 1)
    )
    return (
        f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="{GREY}"/>'
        f'<path d="M0 {SIDE}L{SIDE} 0" stroke="{GREY}" stroke-dasharray="4 3"/>{dots}{ticks}'
        + text(SIDE / 2, -18, name, "middle")
        + text(SIDE / 2, -6, f"calibration error {one.error:.3f}, Brier {one.brier:.3f}", "middle")
        + text(SIDE / 2, SIDE + 30, "right: predicted, up: observed", "middle")
    )


def dot(predicted: float, observed: float, count: int) -> str:
    """Draws one bin."""
    x, y = SIDE * predicted, SIDE * (1 - observed)
    number = text(x + 6, y + 10, str(count), "start")
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{BLUE}"/>{number}'


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Draws a line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
