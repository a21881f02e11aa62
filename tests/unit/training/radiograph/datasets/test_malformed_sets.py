"""Malformed annotations and pictures: an exclusion or a sentence for each, and no guessed label."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import (
    distinct_pixels,
    write_graz,
)
from training.progress import silent
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.reading import Exclusion, listed, read_all

NUMBERS = range(4)
BOX = "<xmin>9</xmin><ymin>9</ymin><xmax>30</xmax><ymax>30</ymax>"
VOC = "<annotation><object>{}<bndbox>" + BOX + "</bndbox></object></annotation>"


def read(folder: Path) -> tuple[dict[str, bool], dict[str, Exclusion]]:
    """Labels of the images that are used, and the exclusions."""
    readings, faults = read_all(listed(layout_of(folder), folder), silent)
    labels = {one.member.image.name: one.member.image.fractured for one in readings}
    return labels, {one.name: one for one in faults}


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in NUMBERS:
        Image.fromarray(distinct_pixels(number, number % 2 == 1)).save(folder / f"x{number}.png")


def coco(folder: Path, change: Callable[[dict[str, Any]], object] = dict) -> Path:
    pictures(folder / "images")
    box = {"category_id": 5, "bbox": [9, 9, 20, 20]}
    content: dict[str, Any] = {
        "images": [{"id": n, "file_name": f"x{n}.png"} for n in NUMBERS],
        "categories": [{"id": 5, "name": "fracture"}],
        "annotations": [{"id": n, "image_id": n, **box} for n in NUMBERS if n % 2],
    }
    change(content)
    (folder / "a.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def yolo(folder: Path, text: str) -> Path:
    pictures(folder / "images")
    (folder / "labels").mkdir()
    (folder / "labels/x1.txt").write_text("0 .3 .3 .2 .2\n", encoding="utf-8")
    (folder / "labels/x3.txt").write_text(text, encoding="utf-8")
    return folder


def voc(folder: Path, text: str) -> Path:
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for number in NUMBERS:
        content = VOC.format("<name>fracture</name>") if number % 2 else "<annotation/>"
        (folder / f"Annotations/x{number}.xml").write_text(content, encoding="utf-8")
    (folder / "Annotations/x3.xml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["images"][0].update(id=[1]), r"expected a number or text as id, got \[1\]"),
        (lambda c: c["images"][0].update(id=3), "the id 3 is given twice"),
        (lambda c: c["annotations"][0].update(image_id=99), "of image 99, which it does not list"),
        (lambda c: c["categories"].append({"id": 5, "name": "metal"}), "the id 5 is given twice"),
    ],
)
def test_a_coco_file_of_doubtful_images_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], text: str
) -> None:
    with pytest.raises(UsageError, match=rf"as COCO in a\.json, could not read it: .*{text}"):
        read(coco(tmp_path / "set", change))


@pytest.mark.parametrize("category", [7, "5", None, [5]])
def test_an_unknown_category_leaves_its_picture_out(tmp_path: Path, category: object) -> None:
    labels, faults = read(coco(tmp_path / "set", lambda c: c["annotations"][0].update(category_id=category)))
    assert labels == {"x0.png": False, "x2.png": False, "x3.png": True}
    assert faults["x1.png"].code == "label_uncertain"
    assert "expected one of the classes 5, got " in faults["x1.png"].text


def test_a_coco_file_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (coco(tmp_path / "set") / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.json, it is nested too deeply"):
        read(tmp_path / "set")


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e400", '"x"'])
def test_a_coco_box_of_no_numbers_is_unreadable(tmp_path: Path, number: str) -> None:
    path = coco(tmp_path / "set") / "a.json"
    path.write_text(path.read_text(encoding="utf-8").replace("[9, 9", f"[{number}, 9"), encoding="utf-8")
    assert {one.code for one in read(tmp_path / "set")[1].values()} == {"outlines_unreadable"}


@pytest.mark.parametrize("first", ["inf", "1e400", "nan", "-1", "7", "0.5", "word"])
def test_an_unknown_class_of_yolo_leaves_its_picture_out(tmp_path: Path, first: str) -> None:
    labels, faults = read(yolo(tmp_path / "set", f"{first} .3 .3 .1 .1\n"))
    assert labels == {"x0.png": False, "x1.png": True, "x2.png": False}
    assert faults["x3.png"].code == "label_uncertain"
    assert "expected one of the classes 0, got " in faults["x3.png"].text


@pytest.mark.parametrize("first", ["inf", "-1", "99"])
def test_an_unknown_class_of_graz_is_unreadable(tmp_path: Path, first: str) -> None:
    folder = write_graz(tmp_path / "set", 2)
    path = sorted(folder.glob("folder_structure/yolov5/labels/*.txt"))[3]
    path.write_text(f"{first} .3 .3 .1 .1\n", encoding="utf-8")
    assert {one.code for one in read(folder)[1].values()} == {"outlines_unreadable"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<?xml version="1.0" encoding="foo"?><annotation/>', "outlines_unreadable"),
        ("", "outlines_unreadable"),
        (VOC.format(""), "label_uncertain"),
        (VOC.format("<name> </name>"), "label_uncertain"),
    ],
)
def test_a_malformed_voc_file_leaves_its_picture_out(tmp_path: Path, text: str, code: str) -> None:
    labels, faults = read(voc(tmp_path / "set", text))
    assert labels == {"x0.png": False, "x1.png": True, "x2.png": False}
    assert faults["x3.png"].code == code


def test_objects_without_a_name_are_no_class_of_fractures(tmp_path: Path) -> None:
    folder = voc(tmp_path / "set", VOC.format(""))
    (folder / "Annotations/x1.xml").write_text(VOC.format(""), encoding="utf-8")
    labels, _ = read(folder)
    assert labels == {"x0.png": False, "x2.png": False}


def second(folder: Path, place: str, number: int = 9) -> None:
    """A picture x1.jpg, besides x1.png."""
    (folder / place).mkdir(exist_ok=True)
    Image.fromarray(distinct_pixels(number, False)).save(folder / place / "x1.jpg")


def test_each_picture_has_the_label_file_of_its_folder(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set", "")
    second(folder, "images/valid")
    assert {name: read(folder)[0][name] for name in ("x1.png", "x1.jpg")} == {"x1.png": True, "x1.jpg": False}
    (folder / "labels/valid").mkdir()
    (folder / "labels/valid/x1.txt").write_text("0 .3 .3 .2 .2\n", encoding="utf-8")
    (folder / "labels/x1.txt").write_text("", encoding="utf-8")
    assert {name: read(folder)[0][name] for name in ("x1.png", "x1.jpg")} == {"x1.png": False, "x1.jpg": True}


def test_pictures_that_share_an_annotation_file_are_left_out(tmp_path: Path) -> None:
    for folder, place in ((yolo(tmp_path / "yolo", ""), "images"), (voc(tmp_path / "voc", ""), "JPEGImages")):
        second(folder, place)
        labels, faults = read(folder)
        assert not {"x1.png", "x1.jpg"} & set(labels)
        assert {faults["x1.png"].code, faults["x1.jpg"].code} == {"label_uncertain"}


def test_a_picture_with_two_label_files_is_left_out(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set", "")
    for place in ("train", "valid"):
        (folder / "labels" / place).mkdir()
        (folder / "labels" / place / "x0.txt").write_text("", encoding="utf-8")
    labels, faults = read(folder)
    assert "x0.png" not in labels
    assert (
        faults["x0.png"].text
        == "expected one file of its name, got labels/train/x0.txt and labels/valid/x0.txt"
    )


def test_a_very_long_picture_keeps_a_pixel_of_width(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set", "")
    Image.fromarray(np.tile(np.arange(250, dtype=np.uint8), (10, 40))).save(folder / "images/x0.png")
    readings, _ = read_all(listed(layout_of(folder), folder), silent)
    assert {one.member.image.name: one.member.image.pixels.shape for one in readings}["x0.png"] == (1, 454)


def test_pictures_in_other_colours_or_without_numbers_are_left_out(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set", "")
    Image.new("RGB", (90, 90), (9, 99, 200)).convert("LAB").save(folder / "images/lab.tif")
    Image.fromarray(np.full((90, 90), np.nan, np.float32)).save(folder / "images/nan.tif")
    _, faults = read(folder)
    assert {name: one.code for name, one in faults.items()} == {"lab.tif": "damaged", "nan.tif": "damaged"}
    assert faults["lab.tif"].text == "expected grey values or RGB, got colours as LAB"
