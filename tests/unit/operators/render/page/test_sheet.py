"""A page keeps everything within its margins, counts what does not fit, and looks the same in both forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.render.page.fonts import width_pt
from operators.render.page.layout import (
    HEIGHT_PT,
    INNER_PT,
    MARGIN_PT,
    WIDTH_PT,
    Area,
    Figure,
    Page,
    Text,
    wrap,
)
from operators.render.page.pdf import page_as_pdf
from operators.render.page.raster import DPI, draw_page
from operators.render.page.sheet import Captioned, PageContent, Table, lay_out

RGB = np.full((60, 50, 3), (10, 200, 30), np.uint8)
LONG = "word " * 400 + "unbroken" * 60
ROWS = (("Hip, left", ""), ("Fragment 1", "3.1 mm"))
TABLE = Table(("Bone", "Gap"), (0.6, 0.4), ROWS, frozenset((0,)), "Note.")
CONTENT = PageContent(
    "AI, NOT FOR DIAGNOSIS",
    "Not checked.",
    "Pelvis, series 4",
    (("Patient", "Doe, Jane"), ("Accession number", "A1"), ("Born", "1970-01-02")),
    ("Hip, left: 2 fragments.",),
    TABLE,
    (Captioned(RGB, "slice 3"), Captioned(RGB, "slice 9")),
    ("Osteon 0.1.0",),
)
FULL = replace(
    CONTENT,
    title=LONG[:200],
    identity=(("Patient", LONG[-300:]), ("Patient ID", "x" * 64)),
    sentences=(LONG[:500],) * 9,
    table=replace(TABLE, rows=((LONG[:120], LONG[-60:]),) * 30),
    footer=(LONG[:300],),
)


def texts(page: Page) -> list[str]:
    return [item.text for item in page.items if isinstance(item, Text)]


@pytest.mark.parametrize("content", [CONTENT, FULL, replace(CONTENT, table=None, pictures=(), sentences=())])
def test_nothing_leaves_the_margins_or_covers_the_footer(content: PageContent) -> None:
    page = lay_out(content)
    right, bottom = WIDTH_PT - MARGIN_PT + 0.01, HEIGHT_PT - MARGIN_PT + 0.01
    for item in page.items:
        wide = width_pt(item.text, item.size_pt, item.is_bold) if isinstance(item, Text) else item.width_pt
        low = item.baseline_pt if isinstance(item, Text) else item.top_pt + item.height_pt
        assert item.left_pt >= MARGIN_PT
        assert item.left_pt + wide <= right
        assert low <= bottom
    rule = next(item for item in page.items if isinstance(item, Area) and item.height_pt == 0.6)
    figures = [item for item in page.items if isinstance(item, Figure)]
    assert all(item.top_pt + item.height_pt < rule.top_pt for item in figures)
    above = page.items[: page.items.index(rule)]
    assert all(item.baseline_pt < rule.top_pt for item in above if isinstance(item, Text))


def test_the_notice_comes_first_and_everything_is_said() -> None:
    page = lay_out(CONTENT)
    said = texts(page)
    assert said[0] == "AI, NOT FOR DIAGNOSIS"
    for text in ("Doe, Jane", "A1", "Hip, left: 2 fragments.", "3.1 mm", "Note.", "slice 9", "Osteon 0.1.0"):
        assert text in said
    bold = [item.text for item in page.items if isinstance(item, Text) and item.is_bold]
    assert "Hip, left" in bold
    assert "Fragment 1" not in bold


def test_what_has_no_room_is_counted() -> None:
    said = " ".join(texts(lay_out(FULL)))
    assert "more sentences in the structured report." in said
    assert "more rows in the structured report." in said


def test_pictures_keep_their_proportions_and_use_the_room() -> None:
    for count in (1, 2, 3, 4):
        figures = [
            item
            for item in lay_out(replace(CONTENT, pictures=(Captioned(RGB, "x"),) * count)).items
            if isinstance(item, Figure)
        ]
        assert len(figures) == count
        assert all(abs(each.height_pt / each.width_pt - 1.2) < 1e-6 for each in figures)
    assert sum(each.width_pt * each.height_pt for each in figures) > 0.2 * INNER_PT * HEIGHT_PT


def test_long_words_are_broken_and_no_word_is_lost() -> None:
    lines = wrap("a " + "b" * 300 + " c", 9, 100)
    assert "".join(lines).replace(" ", "") == "a" + "b" * 300 + "c"
    assert all(width_pt(line, 9) <= 100 for line in lines)


def test_pixels_show_the_pictures_where_they_lie_and_text_is_dark_on_white() -> None:
    page = lay_out(CONTENT)
    drawn = draw_page(page)
    assert drawn.shape == (round(HEIGHT_PT * DPI / 72), round(WIDTH_PT * DPI / 72), 3)
    figure = next(item for item in page.items if isinstance(item, Figure))
    row = round((figure.top_pt + figure.height_pt / 2) * DPI / 72)
    column = round((figure.left_pt + figure.width_pt / 2) * DPI / 72)
    assert drawn[row, column].tolist() == [10, 200, 30]
    assert drawn[0, 0].tolist() == [255, 255, 255]
    name = next(item for item in page.items if isinstance(item, Text) and item.text == "Doe, Jane")
    below, left = round(name.baseline_pt * DPI / 72), round(name.left_pt * DPI / 72)
    assert drawn[below - 12 : below, left : left + 60].min() < 100


def test_a_pdf_is_the_same_each_time_with_its_fonts_and_no_date() -> None:
    first = page_as_pdf(lay_out(CONTENT))
    assert first == page_as_pdf(lay_out(CONTENT))
    assert first.startswith(b"%PDF-")
    assert first.count(b"/FontFile2") == 2
    assert b"Helvetica" not in first


def test_a_large_picture_lies_in_the_pdf_as_jpeg_and_a_small_one_as_it_is() -> None:
    rng = np.random.default_rng(0)
    large = np.repeat(rng.integers(0, 255, (1300, 1000, 1), np.uint8), 3, -1)
    small, shown = (
        page_as_pdf(lay_out(replace(CONTENT, pictures=(Captioned(rgb, "a view"),)))) for rgb in (RGB, large)
    )
    assert (b"DCTDecode" in shown, b"DCTDecode" in small) == (True, False)
    assert b"ASCII85Decode" not in shown + small
    assert b"/Width 1000" in shown
