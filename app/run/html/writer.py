"""Writes the HTML report of one series."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from app.run.html.content import rows_of
from app.run.html.radiograph_content import radiograph_content
from app.run.html.row_content import level_rows_of
from app.run.html.surfaces import drawn_parts, three_js
from app.run.record import SeriesRecord
from operators.dicom.capture.secondary_captures import read_picture
from operators.dicom.elements.atomic_file import write_whole
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import NOTICE, summary, verdict_sentence

HERE = Path(__file__).parent
# More would make the file too large; all of them go to the PACS
MOST_PICTURES = 12
JPEG_QUALITY = 85


def write_page(
    record: SeriesRecord, path: Path, pictures: Sequence[Path], made_at: datetime, version: str
) -> Path:
    """Writes a self-contained file with `pictures` (PNG or DICOM) embedded.

    Raises OutputError, and ValueError for a record without result.
    """
    if record.segmentation is None:
        raise ValueError("expected a series with a result, got one without")
    text = page_of(record, record.segmentation, pictures, made_at, version)
    return write_whole(path, lambda file: file.write(text.encode(errors="replace")))


def page_of(
    record: SeriesRecord, made: Segmentation, pictures: Sequence[Path], made_at: datetime, version: str
) -> str:
    """Returns the HTML of the page; all text from files and packages is escaped."""
    shown, left_out = pictures[:MOST_PICTURES], len(pictures[MOST_PICTURES:])
    page = PAGES[made.package.reads]
    return (
        templates()
        .get_template(page.template)
        .render(
            record=record,
            made=made,
            package=made.package,
            summary=findings(made),
            pictures=[embedded(path, page.overview) for path in shown],
            left_out=left_out,
            made_at=made_at.isoformat(sep=" ", timespec="seconds"),
            version=version,
            style=own("report.css"),
            **page.content(made),
        )
    )


@cache
def templates() -> Environment:
    """Returns the templates, each compiled once in a process."""
    return Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)


def bones_of(made: Segmentation) -> dict[str, Any]:
    """Returns the tables of bones and the parts of the 3-D view."""
    return {
        "rows": rows_of(made),
        "levels": level_rows_of(made),
        "parts": drawn_parts(made),
        "script": own("view.js"),
        "three": Markup(three_js()),  # noqa: S704 (made by the project itself)
    }


@dataclass(frozen=True)
class Page:
    """The template of a page, the caption of the preview, and the content that only this template has."""

    template: str
    overview: str
    content: Callable[[Segmentation], dict[str, Any]]


# By the type of image that a package reads
PAGES = {
    "volume": Page("report.html", "Cuts through the bones, and the bones from front and back", bones_of),
    "projection": Page("radiograph.html", "Outlined findings", radiograph_content),
}


def findings(made: Segmentation) -> list[str]:
    """Returns the summary without the sentences that the page shows elsewhere."""
    elsewhere = {NOTICE, *(flag.sentence for flag in made.flags)}
    if made.answer:
        elsewhere.add(verdict_sentence(made.answer))
    return [sentence for sentence in summary(made) if sentence not in elsewhere]


def own(name: str) -> Markup:
    """Returns the text of a file of this folder."""
    return Markup((HERE / name).read_text(encoding="utf-8"))  # noqa: S704 (made by the project itself)


def embedded(path: Path, overview: str) -> dict[str, Any]:
    """Returns the preview, or a picture of a fracture, as embedded JPEG, and its caption."""
    if path.suffix == ".dcm":
        pixels, title = read_picture(path)
    else:
        pixels, title = np.asarray(Image.open(path)), overview
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=JPEG_QUALITY)
    data = base64.b64encode(file.getvalue()).decode()
    return {"title": title, "data": data, "width": pixels.shape[1], "height": pixels.shape[0]}
