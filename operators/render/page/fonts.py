"""The fonts of a page: widths of text, and which characters can be drawn."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportlab.pdfbase.ttfonts import TTFont

FOLDER = Path(__file__).with_name("fonts")
REGULAR, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
# Classes of UAX #9 that run from right to left; the page neither orders nor joins their letters
FROM_THE_RIGHT = frozenset(("R", "AL", "AN"))
NOT_DRAWN = "\N{REPLACEMENT CHARACTER}"


def font_name(is_bold: bool) -> str:
    """Returns the name of the font file, without its suffix."""
    return BOLD if is_bold else REGULAR


@cache
def font(is_bold: bool) -> TTFont:
    """Returns a font, which the PDF library then knows by its name."""
    from reportlab.pdfbase.pdfmetrics import registerFont  # slow to import, and needed for pages alone
    from reportlab.pdfbase.ttfonts import TTFont

    found = TTFont(font_name(is_bold), str(FOLDER / f"{font_name(is_bold)}.ttf"))
    registerFont(found)
    return found


def width_pt(text: str, size_pt: float, is_bold: bool = False) -> float:
    """Returns the width of a line of text in points."""
    return float(font(is_bold).stringWidth(text, size_pt))


def is_drawable(text: str) -> bool:
    """Returns whether the fonts have all characters, and the text runs from left to right."""
    known = font(False).face.charToGlyph
    return all(ord(each) in known and is_simple(each) for each in unicodedata.normalize("NFC", text))


def is_simple(character: str) -> bool:
    """Returns whether a character is drawn on its own, after the one before it."""
    category = unicodedata.category(character)
    return category[0] not in "CM" and unicodedata.bidirectional(character) not in FROM_THE_RIGHT


def drawn(text: str) -> str:
    """Returns the text with a replacement character for each that cannot be drawn."""
    return "".join(each if is_drawable(each) else NOT_DRAWN for each in unicodedata.normalize("NFC", text))
