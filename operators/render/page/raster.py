"""Draws a page as pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from operators.render.page.fonts import FOLDER, font_name
from operators.render.page.layout import HEIGHT_PT, PAPER, WIDTH_PT, Area, Figure, Page, Text
from operators.render.surface_view import Picture

# A page of 1240 x 1754 pixels: text of 8 points is 17 pixels high
DPI = 150
# Text is drawn larger and then reduced, as letters would otherwise be moved to whole pixels
FINER = 2
PIXELS_A_POINT = DPI / 72
SCALE = PIXELS_A_POINT * FINER


def draw_page(page: Page) -> Picture:
    """Returns RGB (rows, columns, 3) of the page. Pictures cover what else is drawn at their place."""
    size = (round(WIDTH_PT * PIXELS_A_POINT) * FINER, round(HEIGHT_PT * PIXELS_A_POINT) * FINER)
    large = Image.new("RGB", size, PAPER)
    for item in page.items:
        if not isinstance(item, Figure):
            DRAW[type(item)](item, large)
    sheet = large.reduce(FINER)
    for item in page.items:
        if isinstance(item, Figure):
            draw_figure(item, sheet)
    return np.asarray(sheet)


@cache
def sized_font(name: str, pixels: float) -> ImageFont.FreeTypeFont:
    """Returns a font; its letters are placed one after the other on every machine alike."""
    return ImageFont.truetype(str(FOLDER / f"{name}.ttf"), pixels, layout_engine=ImageFont.Layout.BASIC)


def draw_text(item: Text, sheet: Image.Image) -> None:
    """Draws a line of text on the page drawn larger."""
    place = (item.left_pt * SCALE, item.baseline_pt * SCALE)
    typeface = sized_font(font_name(item.is_bold), item.size_pt * SCALE)
    ImageDraw.Draw(sheet).text(place, item.text, fill=item.ink, font=typeface, anchor="ls")


def draw_area(item: Area, sheet: Image.Image) -> None:
    """Draws a filled rectangle on the page drawn larger."""
    left, top = item.left_pt * SCALE, item.top_pt * SCALE
    corner = (left + item.width_pt * SCALE - 1, top + item.height_pt * SCALE - 1)
    ImageDraw.Draw(sheet).rectangle((left, top, *corner), fill=item.ink)


def draw_figure(item: Figure, sheet: Image.Image) -> None:
    """Draws a picture at the size of its rectangle, on the page at its own size."""
    size = (round(item.width_pt * PIXELS_A_POINT), round(item.height_pt * PIXELS_A_POINT))
    picture = Image.fromarray(np.ascontiguousarray(item.rgb)).resize(size, Image.Resampling.BILINEAR)
    sheet.paste(picture, (round(item.left_pt * PIXELS_A_POINT), round(item.top_pt * PIXELS_A_POINT)))


DRAW: Mapping[type, Callable[[Any, Image.Image], None]] = {Text: draw_text, Area: draw_area}
