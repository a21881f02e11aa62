"""Every file beside pictures that is not used is named, and what links lead to is used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from app.run.file_run import image_files, not_used
from app.run.folder import run_folder
from app.run.listing.series_listing import series_command
from app.run.stage_clock import silent
from app.settings import Settings
from operators.dicom.read.scan import scan
from operators.errors import UnreadableError
from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.support.radiographs.radiograph_result_cases import MADE_AT

KINDS = {
    "gif.gif": "a GIF picture",
    "jfif.jfif": "a JPEG picture",
    "noext": "a PNG picture",
    "notes.txt": "a file of another kind",
    "sub/x.tif": "a TIFF picture",
    "y.bmp": "a bitmap",
    "z.webp": "a WebP picture",
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of pictures that cannot be read, files of other kinds, a FIFO, and links."""
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    (folder / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    picture = Image.fromarray(np.zeros((8, 8), np.uint8))
    for name in ("a.png", *KINDS):
        kind = {"noext": "PNG", "jfif.jfif": "JPEG"}.get(name)
        if name != "notes.txt":
            picture.save(folder / name, format=kind)
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    picture.save(elsewhere / "b.png")
    (folder / "linked").symlink_to(elsewhere, target_is_directory=True)
    (folder / "linked again").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(folder / "fifo.png")
    return folder


def test_a_run_names_what_it_does_not_use(mixed: Path, tmp_path: Path) -> None:
    write_radiograph_package(tmp_path / "models")
    chosen = Settings(models=tmp_path / "models", runtime="torch")
    run_folder(mixed, tmp_path / "out", chosen, None, MADE_AT, silent)
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert [row["part"] for row in report["series"]] == ["a.png", "linked/b.png"]
    closed = [(file["path"], file["code"]) for file in report["unreadable"][:2]]
    assert closed == [("fifo.png", "no_file"), ("gone.png", "broken_link")]
    assert report["unreadable"][0]["sentence"] == "expected a file, got a FIFO"
    others = report["unreadable"][2:]
    assert {file["path"]: file["sentence"].partition(", got ")[2] for file in others} == KINDS
    assert {file["code"] for file in others} == {"other_file"}


def test_a_listing_names_them_too(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_radiograph_package(tmp_path / "models")
    series_command(mixed, None, False, None, tmp_path / "models")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["a.png", "linked/b.png"]
    for name in ("fifo.png", "gone.png", *KINDS):
        assert any(line.startswith(f"unreadable: {name}: ") for line in lines)


def test_other_files_alone_are_named(tmp_path: Path) -> None:
    write_radiograph_package(tmp_path / "models")
    (tmp_path / "in").mkdir()
    for name in "abcd":
        (tmp_path / "in" / f"{name}.bmp").write_bytes(b"BM")
    chosen = Settings(models=tmp_path / "models", runtime="torch")
    with pytest.raises(UnreadableError) as caught:
        run_folder(tmp_path / "in", tmp_path / "out", chosen, None, MADE_AT, silent)
    text = "expected DICOM files, got 4 other files (a.bmp, b.bmp, c.bmp, ...): 4 times a bitmap"
    assert str(caught.value) == text
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert [file["path"] for file in report["unreadable"]] == ["a.bmp", "b.bmp", "c.bmp", "d.bmp"]


def test_a_fifo_as_input_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.png")
    with pytest.raises(UnreadableError, match="expected a folder or a file, got a FIFO"):
        scan(tmp_path / "in.png")


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_the_values_of_an_image_are_used_with_its_header(tmp_path: Path, ending: str) -> None:
    image = SimpleITK.GetImageFromArray(np.full((4, 4, 4), 7, np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / f"a b{ending}"))
    (tmp_path / "c.raw").write_bytes(b"other")
    found = scan(tmp_path)
    assert len(found.others) == 3
    assert [file.path for file in not_used(found, image_files(found))] == ["c.raw"]
