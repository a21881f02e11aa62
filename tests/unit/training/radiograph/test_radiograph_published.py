"""FracAtlas' published folders and its three forms of outlines, made up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.made_radiographs import made_radiograph
from training.radiograph.dataset import ATTRIBUTES
from training.radiograph.published import read_published

WIDTH, HEIGHT = 100, 120
BOX = (38, 48, 63, 62)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two fractured images and one whole, as published."""
    for name in ("images/Fractured", "images/Non_fractured", "Utilities/Fracture Split"):
        (tmp_path / name).mkdir(parents=True)
    for number, place in ((1, "Fractured"), (2, "Non_fractured"), (3, "Fractured")):
        image = Image.fromarray(made_radiograph(number, place == "Fractured").pixels)
        image.save(tmp_path / "images" / place / f"IMG{number:07d}.jpg", quality=95)
    write_table(tmp_path / "dataset.csv", [1, 2, 3])
    valid = tmp_path / "Utilities/Fracture Split/valid.csv"
    valid.write_text("image_id\nIMG0000003.jpg\n", encoding="utf-8")
    write_outlines(tmp_path / "Annotations", ["IMG0000001", "IMG0000003"])
    return tmp_path


def write_table(path: Path, numbers: list[int]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["image_id", *ATTRIBUTES, "fractured", "fracture_count"])
        writer.writeheader()
        for number in numbers:
            row = {"image_id": f"IMG{number:07d}.jpg", "fractured": number % 2, "fracture_count": number % 2}
            writer.writerow(row | {name: int(name == "hand") for name in ATTRIBUTES})


def write_outlines(folder: Path, stems: list[str]) -> None:
    left, top, right, bottom = BOX
    for name in ("COCO JSON", "PASCAL VOC", "YOLO"):
        (folder / name).mkdir(parents=True)
    polygon = [left, top, right, top, right, bottom, left, bottom]
    content = {
        "images": [{"id": at, "file_name": f"{stem}.jpg"} for at, stem in enumerate(stems)],
        "annotations": [{"id": at, "image_id": at, "segmentation": [polygon]} for at in range(len(stems))],
    }
    (folder / "COCO JSON/COCO_fracture_masks.json").write_text(json.dumps(content), encoding="utf-8")
    box = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    middle = [(left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT]
    line = [*middle, (right - left) / WIDTH, (bottom - top) / HEIGHT]
    for stem in stems:
        (folder / f"PASCAL VOC/{stem}.xml").write_text(
            f"<annotation><object><bndbox>{box}</bndbox></object></annotation>", encoding="utf-8"
        )
        (folder / f"YOLO/{stem}.txt").write_text(" ".join(map(str, [0, *line])) + "\n", encoding="utf-8")


@pytest.mark.parametrize("outlines", ["coco", "voc", "yolo"])
def test_all_forms_of_outlines_give_the_same_fractures(folder: Path, outlines: str) -> None:
    reading = read_published(folder, outlines)
    assert [(one.split, one.fractured) for one in reading.images] == [
        ("train", True),
        ("train", False),
        ("dev", True),
    ]
    assert reading.problems == ()
    for image in (reading.images[0], reading.images[2]):
        rows, columns = np.nonzero(image.mask())
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx(BOX, abs=1)
    assert reading.images[1].outlines == ()
    assert dict(zip(ATTRIBUTES, reading.images[0].attributes, strict=True))["hand"] == 1


def test_yolo_polygons(folder: Path) -> None:
    (folder / "Annotations/YOLO/IMG0000001.txt").write_text("0 0.2 0.5 0.6 0.5 0.6 0.75\n", encoding="utf-8")
    (polygon,) = read_published(folder, "yolo").images[0].outlines[0]
    assert polygon.tolist() == pytest.approx(np.array([[20, 60], [60, 60], [60, 90]]))


def test_damaged_and_contradictory_images_are_named(folder: Path) -> None:
    path = folder / "images/Fractured/IMG0000001.jpg"
    path.write_bytes(path.read_bytes()[:600])
    again = folder / "images/Non_fractured/IMG0000003.jpg"
    again.write_bytes((folder / "images/Fractured/IMG0000003.jpg").read_bytes())
    write_table(folder / "dataset.csv", [1, 2, 3, 5])
    reading = read_published(folder)
    assert [one.name for one in reading.images] == ["IMG0000002.jpg"]
    reasons = dict(reading.problems)
    assert reasons["IMG0000001.jpg"].startswith("damaged")
    assert reasons["IMG0000003.jpg"] == "expected in Fractured alone, found in Fractured and Non_fractured"
    assert reasons["IMG0000005.jpg"] == "expected in Fractured alone, found in no folder"
