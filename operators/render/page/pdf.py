"""Draws a page as a PDF with text that can be searched and copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from operators.render.page.fonts import font, font_name
from operators.render.page.layout import HEIGHT_PT, WIDTH_PT, Area, Figure, Ink, Page, Text

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

# Above this number of pixels a picture is stored as JPEG: deflating 7.5 million of them takes half a second
LARGEST_LOSSLESS = 1 << 20
QUALITY = 95


def page_as_pdf(page: Page) -> bytes:
    """Returns the bytes of a PDF, the same for the same page; its fonts are embedded."""
    from reportlab import rl_config
    from reportlab.pdfgen.canvas import Canvas  # slow to import, and needed for pages alone

    rl_config.useA85 = 0  # text instead of bytes takes a quarter more, and most of the time
    file, first = BytesIO(), font(False)
    size = (WIDTH_PT, HEIGHT_PT)
    canvas = Canvas(file, size, invariant=1, pageCompression=1, lang="en", initialFontName=first.fontName)
    canvas.setTitle(page.title)
    canvas.setAuthor("Osteon")
    canvas.setCreator("Osteon")
    for item in page.items:
        DRAW[type(item)](item, canvas)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def fill(canvas: Canvas, ink: Ink) -> None:
    """Sets the colour of what is drawn next."""
    canvas.setFillColorRGB(*(value / 255 for value in ink))


def draw_text(item: Text, canvas: Canvas) -> None:
    """Draws a line of text; a PDF measures from the lower left corner."""
    font(item.is_bold)
    canvas.setFont(font_name(item.is_bold), item.size_pt)
    fill(canvas, item.ink)
    canvas.drawString(item.left_pt, HEIGHT_PT - item.baseline_pt, item.text)


def draw_area(item: Area, canvas: Canvas) -> None:
    """Draws a filled rectangle."""
    fill(canvas, item.ink)
    bottom_pt = HEIGHT_PT - item.top_pt - item.height_pt
    canvas.rect(item.left_pt, bottom_pt, item.width_pt, item.height_pt, stroke=0, fill=1)


def draw_figure(item: Figure, canvas: Canvas) -> None:
    """Draws a picture with all its pixels, a large one slightly changed by JPEG."""
    from reportlab.lib.utils import ImageReader

    picture, source = Image.fromarray(np.ascontiguousarray(item.rgb)), BytesIO()
    if picture.width * picture.height > LARGEST_LOSSLESS:
        picture.save(source, "JPEG", quality=QUALITY, subsampling=0)
    bottom_pt = HEIGHT_PT - item.top_pt - item.height_pt
    reader = ImageReader(source if source.getbuffer().nbytes else picture)
    canvas.drawImage(reader, item.left_pt, bottom_pt, item.width_pt, item.height_pt)


DRAW: Mapping[type, Callable[[Any, Canvas], None]] = {Text: draw_text, Area: draw_area, Figure: draw_figure}
