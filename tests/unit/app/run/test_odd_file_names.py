"""Files whose names are not UTF-8, or hold line breaks: named with "?", and no run ends over them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from app.run.folder import run_folder
from app.run.html.writer import write_page
from app.run.listing.series_listing import series_command
from app.run.record import SELECTED, SeriesRecord
from app.run.report import write_report
from app.run.stage_clock import silent
from app.settings import Settings
from operators.errors import OsteonError, UnreadableError
from operators.image_files.label_files import read_named
from operators.process.file_names import shown_name
from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.support.radiographs.radiograph_result_cases import MADE_AT, made

NOT_UTF_8 = os.fsdecode(b"Gr\xf6\xdfe")


@pytest.fixture
def odd_pictures(tmp_path: Path) -> Path:
    """A folder of pictures with odd names, none of which can be read."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (f"{NOT_UTF_8}.jpg", f"{NOT_UTF_8}.nii", "two\nlines\x1b[1m.png"):
        (folder / name).write_bytes(b"no picture")
    image = SimpleITK.GetImageFromArray(np.zeros((12, 12, 12), np.int16))
    SimpleITK.WriteImage(image, str(folder / "a.mha"))
    (folder / "a.mha").rename(folder / f"{NOT_UTF_8}.mha")
    return folder


NAMES = ["Gr??e.jpg", "Gr??e.mha", "Gr??e.nii", "two?lines?[1m.png"]


def test_a_run_over_odd_names_has_a_report(odd_pictures: Path, tmp_path: Path) -> None:
    write_radiograph_package(tmp_path / "models")
    chosen = Settings(models=tmp_path / "models", runtime="torch")
    with suppress(OsteonError):
        run_folder(odd_pictures, tmp_path / "out", chosen, None, MADE_AT, silent)
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert [row["part"] for row in report["series"]] == NAMES
    assert {row["code"] for row in report["series"]} == {"unreadable_picture", "unreadable"}
    assert all(row["sentence"].isprintable() for row in report["series"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


def test_a_listing_names_them_in_the_same_way(
    odd_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_radiograph_package(tmp_path / "models")
    series_command(odd_pictures, None, False, None, tmp_path / "models")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": DX: ")[0].partition(": CT: ")[0] for line in lines] == NAMES


def test_a_page_and_a_report_are_written_whatever_they_name(tmp_path: Path) -> None:
    record = SeriesRecord("", "", NOT_UTF_8, "DX", 1, SELECTED, "segmented", segmentation=made())
    page = write_page(record, tmp_path / "report.html", [], MADE_AT, "1")
    assert "Gr??e" in page.read_text(encoding="utf-8")
    report = write_report({"name": NOT_UTF_8}, tmp_path / "report.json")
    assert json.loads(report.read_text(encoding="utf-8")) == {"name": "Gr??e"}


def test_itk_is_not_given_a_path_over_which_it_ends_the_process(odd_pictures: Path) -> None:
    with pytest.raises(UnreadableError, match=r"whose path is UTF-8, got Gr\?\?e\.mha"):
        read_named(odd_pictures / f"{NOT_UTF_8}.mha")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Größe.png", "Größe.png"), (f"{NOT_UTF_8}.png", "Gr??e.png"), ("a\nb\t\u202ec", "a?b??c")],
)
def test_a_name_is_shown_in_one_printable_line(name: str, shown: str) -> None:
    assert shown_name(name) == shown_name(Path(name)) == shown
