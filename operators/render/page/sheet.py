"""Lays out a one-page report: notice, identity, sentences, a table, pictures and footer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operators.render.page.fonts import drawn, width_pt
from operators.render.page.layout import (
    FAINT_INK,
    HEIGHT_PT,
    INNER_PT,
    LEADING,
    MARGIN_PT,
    PAPER,
    SHADE,
    Area,
    Figure,
    Ink,
    Item,
    Page,
    Text,
    wrap,
    write_lines,
)
from operators.render.surface_view import Picture

TITLE_PT, HEADING_PT, TEXT_PT, TABLE_PT, FOOTER_PT = 15.0, 10.5, 9.5, 8.5, 7.5
BANNER_PT, GAP_PT, CELL_PT = 26.0, 9.0, 4.0
NOTICE_INK: Ink = (122, 24, 24)
LABEL_PT = 92.0
# More of either would leave no room for pictures; the structured report has all of it
MOST_LINES, MOST_ROWS = 17, 14
# The height of the note below a table
NOTE_PT = 36.0
# Pictures that would be lower than this are left out
LEAST_PICTURE_PT = 90.0
Placed = tuple[list[Item], float]


@dataclass(frozen=True, eq=False)
class Captioned:
    """A picture, RGB (rows, columns, 3), with the line below it."""

    rgb: Picture
    caption: str


@dataclass(frozen=True)
class Table:
    """A table: `shares` of the width by column; `marked` are the numbers of rows in bold."""

    head: tuple[str, ...]
    shares: tuple[float, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True, eq=False)
class PageContent:
    """What a page says, from top to bottom; `identity` are names and values of patient and study."""

    notice: str
    remark: str
    title: str
    identity: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    table: Table | None
    pictures: tuple[Captioned, ...]
    footer: tuple[str, ...]


def lay_out(content: PageContent) -> Page:
    """Places everything on one page; what does not fit is counted on it."""
    items, top_pt = banner(content)
    feet, bottom_pt = footer(content.footer)
    for part in (
        lambda top: title(content.title, top),
        lambda top: identity(content.identity, top),
        lambda top: sentences(content.sentences, top),
        lambda top: table(content.table, top, bottom_pt - GAP_PT),
        lambda top: pictures(content.pictures, top, bottom_pt - GAP_PT),
    ):
        more, top_pt = part(top_pt)
        items += more
    return Page(content.title, tuple(items + feet))


def banner(content: PageContent) -> Placed:
    """Places the notice, white on a dark bar, with the remark beside it."""
    top_pt, middle_pt = MARGIN_PT, MARGIN_PT + BANNER_PT / 2
    right_pt = MARGIN_PT + INNER_PT - GAP_PT - width_pt(content.remark, TABLE_PT)
    return [
        Area(MARGIN_PT, top_pt, INNER_PT, BANNER_PT, NOTICE_INK),
        Text(MARGIN_PT + GAP_PT, middle_pt + 4.6, content.notice, 13, True, PAPER),
        Text(right_pt, middle_pt + 3.1, content.remark, TABLE_PT, False, PAPER),
    ], top_pt + BANNER_PT + GAP_PT


def footer(lines: Sequence[str]) -> Placed:
    """Places the last lines above the lower margin; also returns where they begin."""
    wrapped = [each for line in lines for each in wrap(drawn(line), FOOTER_PT, INNER_PT)]
    top_pt = HEIGHT_PT - MARGIN_PT - len(wrapped) * FOOTER_PT * LEADING
    placed, _ = write_lines(wrapped, MARGIN_PT, top_pt, FOOTER_PT, ink=FAINT_INK)
    return [Area(MARGIN_PT, top_pt - 4, INNER_PT, 0.6, FAINT_INK), *placed], top_pt - 4


def title(text: str, top_pt: float) -> Placed:
    """Places the title."""
    lines = wrap(drawn(text), TITLE_PT, INNER_PT, True)
    placed, top_pt = write_lines(lines, MARGIN_PT, top_pt, TITLE_PT, True)
    return list(placed), top_pt + GAP_PT / 2


def identity(pairs: Sequence[tuple[str, str]], top_pt: float) -> Placed:
    """Places names and values in two columns, line by line."""
    column_pt, items = INNER_PT / 2, list[Item]()
    for n in range(0, len(pairs), 2):
        below_pt = top_pt
        for at, (name, value) in enumerate(pairs[n : n + 2]):
            left_pt = MARGIN_PT + at * column_pt
            lines = wrap(drawn(value), TEXT_PT, column_pt - LABEL_PT - GAP_PT)
            said, _ = write_lines([name], left_pt, top_pt, TEXT_PT, ink=FAINT_INK)
            placed, end_pt = write_lines(lines or [""], left_pt + LABEL_PT, top_pt, TEXT_PT)
            items += [*said, *placed]
            below_pt = max(below_pt, end_pt)
        top_pt = below_pt
    return items, top_pt + GAP_PT


def heading(text: str, top_pt: float) -> Placed:
    """Places the heading of a section."""
    placed, top_pt = write_lines([text], MARGIN_PT, top_pt, HEADING_PT, True)
    return list(placed), top_pt + 2


def sentences(texts: Sequence[str], top_pt: float) -> Placed:
    """Places the summary, a paragraph for each sentence."""
    items, top_pt = heading("Summary", top_pt)
    paragraphs = [wrap(drawn(text), TEXT_PT, INNER_PT) for text in texts]
    kept: list[str] = []
    left = len(paragraphs)
    for lines in paragraphs:
        if len(kept) + len(lines) > MOST_LINES:
            break
        kept += lines
        left -= 1
    if left:
        kept.append(f"{left} more sentence{'s' if left > 1 else ''} in the structured report.")
    placed, top_pt = write_lines(kept, MARGIN_PT, top_pt, TEXT_PT)
    return [*items, *placed], top_pt + GAP_PT


def table(content: Table | None, top_pt: float, bottom_pt: float) -> Placed:
    """Places the table with its heading and note, as many rows as there is room for; nothing without one."""
    if content is None:
        return [], top_pt
    items, top_pt = heading("Fractures", top_pt)
    more, top_pt = table_row(content.head, content, top_pt, is_bold=True, is_shaded=True)
    items += more
    left = len(content.rows)
    for number, cells in enumerate(content.rows[:MOST_ROWS]):
        more, end_pt = table_row(cells, content, top_pt, number in content.marked)
        if end_pt > bottom_pt - NOTE_PT:
            break
        items, top_pt, left = items + more, end_pt, left - 1
    more_rows = f"{left} more row{'s' if left > 1 else ''} in the structured report. " if left > 0 else ""
    lines = wrap(more_rows + content.note, FOOTER_PT, INNER_PT)
    placed, top_pt = write_lines(lines, MARGIN_PT, top_pt + 3, FOOTER_PT, ink=FAINT_INK)
    return [*items, *placed], top_pt + GAP_PT


def table_row(
    cells: Sequence[str], content: Table, top_pt: float, is_bold: bool = False, is_shaded: bool = False
) -> Placed:
    """Places one row, as high as its highest cell, with a rule below it."""
    left_pt, below_pt, items = MARGIN_PT, top_pt, list[Item]()
    for text, share in zip(cells, content.shares, strict=True):
        lines = wrap(drawn(text), TABLE_PT, share * INNER_PT - 2 * CELL_PT, is_bold)
        placed, end_pt = write_lines(lines, left_pt + CELL_PT, top_pt + 2, TABLE_PT, is_bold)
        items += placed
        below_pt, left_pt = max(below_pt, end_pt), left_pt + share * INNER_PT
    below_pt += 3
    shade: list[Item] = [Area(MARGIN_PT, top_pt, INNER_PT, below_pt - top_pt)] if is_shaded else []
    return [*shade, *items, Area(MARGIN_PT, below_pt - 0.5, INNER_PT, 0.5, SHADE)], below_pt


def pictures(shown: Sequence[Captioned], top_pt: float, bottom_pt: float) -> Placed:
    """Places the pictures in the rows that make them largest, each with its caption; none without room."""
    caption_pt = FOOTER_PT * LEADING + 2
    layouts = [(-(-len(shown) // columns), columns) for columns in range(1, len(shown) + 1)]
    sizes = [
        ((bottom_pt - top_pt) / rows - caption_pt - GAP_PT, (INNER_PT + GAP_PT) / columns - GAP_PT)
        for rows, columns in layouts
    ]
    areas = [sum(area_of(each, *size) for each in shown) for size in sizes]
    if not layouts or max(areas) <= 0:
        return [], top_pt
    best = areas.index(max(areas))
    (_, columns), (high_pt, wide_pt) = layouts[best], sizes[best]
    items: list[Item] = []
    for n, each in enumerate(shown):
        left_pt = MARGIN_PT + (n % columns) * (wide_pt + GAP_PT)
        above_pt = top_pt + (n // columns) * (high_pt + caption_pt + GAP_PT)
        height, width = scaled(each, high_pt, wide_pt)
        items.append(Figure(left_pt, above_pt, width, height, each.rgb))
        lines = wrap(drawn(each.caption), FOOTER_PT, wide_pt)[:1]
        items += write_lines(lines, left_pt, above_pt + height + 1, FOOTER_PT, ink=FAINT_INK)[0]
    return items, bottom_pt


def area_of(picture: Captioned, high_pt: float, wide_pt: float) -> float:
    """Returns the area of a picture in a cell, 0 where it would be too small to see anything."""
    height, width = scaled(picture, high_pt, wide_pt)
    return height * width if height >= LEAST_PICTURE_PT else 0.0


def scaled(picture: Captioned, high_pt: float, wide_pt: float) -> tuple[float, float]:
    """Returns height and width of a picture in a cell."""
    rows, columns = picture.rgb.shape[:2]
    scale = max(min(high_pt / rows, wide_pt / columns), 0.0)
    return rows * scale, columns * scale
