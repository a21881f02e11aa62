"""Pictures with outlines in any common form become a data set that radiograph networks are trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import distinct_radiograph, write_dataset
from training.datasets.checking import check
from training.datasets.importing import Wishes, import_dataset
from training.datasets.layout import Dataset
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.datasets.reading import read_dataset

BOX = (38.0, 48.0, 63.0, 62.0)
NUMBERS = range(6)


def pictures(folder: Path, split: str = "") -> list[str]:
    """Six radiographs, each second with a fracture in BOX."""
    names = []
    for number in NUMBERS:
        image = distinct_radiograph(number, is_fractured(number))
        names.append(f"x{number}.png")
        (folder / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels).save(folder / split / names[-1])
    return names


def is_fractured(number: int) -> bool:
    return number % 2 == 1


def coco(folder: Path, polygon: bool = True, **changes: object) -> Path:
    names = pictures(folder / "images")
    left, top, right, bottom = BOX
    shape: dict[str, object] = {"bbox": [left, top, right - left, bottom - top]}
    if polygon:
        shape["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
    sizes = {"width": 100, "height": 120}
    content = {
        "images": [{"id": n, "file_name": f"some/{name}", **sizes} for n, name in enumerate(names)],
        "categories": [{"id": 3, "name": "Hand"}, {"id": 5, "name": "Fracture line"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 5 if is_fractured(n) else 3, **shape, **changes}
            for n in NUMBERS
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def voc(folder: Path) -> Path:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True)
    box = "".join(f"<{side}>{at}</{side}>" for side, at in sides)
    (folder / "Annotations").mkdir(parents=True)
    for number, name in enumerate(pictures(folder / "JPEGImages")):
        found = (
            f"<object><name>fracture</name><bndbox>{box}</bndbox></object>" if is_fractured(number) else ""
        )
        (folder / "Annotations" / f"{Path(name).stem}.xml").write_text(f"<annotation>{found}</annotation>")
    return folder


def yolo(folder: Path) -> Path:
    left, top, right, bottom = BOX
    row = ((left + right) / 200, (top + bottom) / 240, (right - left) / 100, (bottom - top) / 120)
    (folder / "labels" / "valid").mkdir(parents=True)
    for number, name in enumerate(pictures(folder / "images", "valid")):
        if is_fractured(number):
            text = f"1 {' '.join(map(str, row))}\n"
            (folder / "labels" / "valid" / f"{Path(name).stem}.txt").write_text(text)
    (folder / "data.yaml").write_text("names: [metal, fracture]\n")
    return folder


def raw_2d(folder: Path) -> Path:
    (folder / "labelsTr").mkdir(parents=True)
    for number, name in enumerate(pictures(folder / "imagesTr")):
        (folder / "imagesTr" / name).rename(folder / "imagesTr" / f"x{number}_0000.png")
        mask = np.zeros((120, 100), np.uint8)
        left, top, right, bottom = map(int, BOX)
        mask[top : bottom + 1, left : right + 1] = 2 if is_fractured(number) else 1
        Image.fromarray(mask).save(folder / "labelsTr" / f"x{number}.png")
    labels = {"background": 0, "bone": 1, "fracture": 2}
    content = {"channel_names": {"0": "X"}, "labels": labels, "numTraining": 6, "file_ending": ".png"}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def own(folder: Path) -> Path:
    return write_dataset(folder, [distinct_radiograph(n, is_fractured(n)) for n in NUMBERS])


def imported(source: Path) -> tuple[Dataset, list[Radiograph]]:
    target = source.parent / "dataset"
    dataset = import_dataset(source, target, Wishes())
    assert layout_of(target).name == "Osteon"
    return dataset, read_dataset(target)


@pytest.mark.parametrize("write", [coco, voc, yolo, raw_2d, own])
def test_every_form_gives_the_same_fractures_in_osteons_layout(tmp_path: Path, write: object) -> None:
    dataset, images = imported(write(tmp_path / "source"))  # type: ignore[operator]
    assert dataset.tables.kind == "radiograph"
    assert [image.fractured for image in images] == [is_fractured(number) for number in NUMBERS]
    expected = np.zeros((120, 100), bool)
    left, top, right, bottom = map(int, BOX)
    expected[top : bottom + 1, left : right + 1] = True
    for image in images:
        assert np.count_nonzero(image.mask() ^ (expected & image.fractured)) <= 90
    assert dataset.tables.left_out == ()


def test_a_folder_named_valid_is_the_split_for_development(tmp_path: Path) -> None:
    assert {image.split for image in imported(yolo(tmp_path / "source"))[1]} == {"dev"}


def test_boxes_stand_for_missing_polygons_and_run_lengths_are_refused(tmp_path: Path) -> None:
    _, images = imported(coco(tmp_path / "one" / "source", polygon=False))
    assert images[1].mask().sum() > 300
    coco(tmp_path / "two" / "source", segmentation={"counts": "x", "size": [120, 100]})
    dataset, _ = imported(tmp_path / "two" / "source")
    assert len(dataset.cases) == 3
    assert all("run lengths" in each.reason for each in dataset.tables.left_out)


def test_an_outline_outside_its_image_and_an_unlisted_picture_are_left_out(tmp_path: Path) -> None:
    source = coco(tmp_path / "source", segmentation=[[300.0, 0, 400, 0, 400, 50]])
    Image.fromarray(distinct_radiograph(50, False).pixels).save(source / "images" / "extra.png")
    dataset, _ = imported(source)
    told = {each.source: each.reason for each in dataset.tables.left_out}
    assert set(told) == {"x1.png", "x3.png", "x5.png", "extra.png"}
    assert told["x1.png"].startswith("an outline lies outside it: ")
    assert told["extra.png"].startswith("no annotation lists it")


def test_a_set_without_a_class_of_fractures_is_refused(tmp_path: Path) -> None:
    source = coco(tmp_path / "source")
    path = source / "annotations.json"
    path.write_text(path.read_text().replace("Fracture line", "Metal"))
    with pytest.raises(UsageError, match=r"with 'fract' in its name, in annotations\.json, got Hand, Metal"):
        import_dataset(source, tmp_path / "dataset", Wishes())
    assert not (tmp_path / "dataset").exists()


def test_the_check_finds_copies_and_draws_every_radiograph(tmp_path: Path) -> None:
    source = coco(tmp_path / "source")
    Image.open(source / "images/x1.png").save(source / "images/x3.png")
    dataset, _ = imported(source)
    checked = check(dataset)
    found = {remark.code: remark.cases for remark in checked.remarks}
    assert found["near_copy"] == ("x1.png", "x3.png")
    assert len(checked.tiles) == 6
