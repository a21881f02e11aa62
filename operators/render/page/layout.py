"""The items of a page, in points from its upper left corner, and text that is broken into lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from operators.render.page.fonts import width_pt
from operators.render.surface_view import Picture

Ink = tuple[int, int, int]
# ISO 216, A4
WIDTH_PT, HEIGHT_PT = 595.28, 841.89
MARGIN_PT = 40.0
INNER_PT = WIDTH_PT - 2 * MARGIN_PT
INK, FAINT_INK, PAPER, SHADE = (20, 22, 26), (96, 102, 112), (255, 255, 255), (236, 239, 243)
# The height of a line as a share of the font's size
LEADING = 1.32


@dataclass(frozen=True)
class Text:
    """One line of text; `baseline_pt` is measured from the top of the page."""

    left_pt: float
    baseline_pt: float
    text: str
    size_pt: float
    is_bold: bool = False
    ink: Ink = INK


@dataclass(frozen=True)
class Area:
    """A filled rectangle."""

    left_pt: float
    top_pt: float
    width_pt: float
    height_pt: float
    ink: Ink = SHADE


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture, RGB (rows, columns, 3), in a rectangle of its own proportions."""

    left_pt: float
    top_pt: float
    width_pt: float
    height_pt: float
    rgb: Picture


Item = Text | Area | Figure


@dataclass(frozen=True, eq=False)
class Page:
    """A page of A4 with its items, drawn in their order; `title` is for the file's properties."""

    title: str
    items: tuple[Item, ...]


def wrap(text: str, size_pt: float, within_pt: float, is_bold: bool = False) -> list[str]:
    """Breaks text into lines at spaces, and within words that are too long for a line."""
    lines: list[str] = []
    line = ""
    for word in pieces(text, size_pt, within_pt, is_bold):
        longer = f"{line} {word}" if line else word
        if line and width_pt(longer, size_pt, is_bold) > within_pt:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line] if line else lines


def pieces(text: str, size_pt: float, within_pt: float, is_bold: bool) -> Iterator[str]:
    """Yields the words of a text; a word that is too long for a line in parts that fit."""
    for word in text.split():
        while len(word) > 1 and width_pt(word, size_pt, is_bold) > within_pt:
            fits = len(word) - 1
            while fits > 1 and width_pt(word[:fits], size_pt, is_bold) > within_pt:
                fits -= 1
            yield word[:fits]
            word = word[fits:]
        yield word


def write_lines(
    lines: Sequence[str], left_pt: float, top_pt: float, size_pt: float, is_bold: bool = False, ink: Ink = INK
) -> tuple[list[Text], float]:
    """Returns lines of text below each other, and where the next would begin."""
    step_pt = size_pt * LEADING
    items = [
        Text(left_pt, top_pt + n * step_pt + size_pt, line, size_pt, is_bold, ink)
        for n, line in enumerate(lines)
    ]
    return items, top_pt + len(lines) * step_pt
