"""Small synthetic radiographs: bright bars on grey limbs, some with an outlined gap."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.radiograph.datasets.radiograph import ATTRIBUTES, Radiograph

SHAPE = (120, 100)


def made_pixels(seed: int, gap: bool, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """Draws a limb with one bone and noise, optionally with a gap in the bone at rows 50 to 60."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, 20.0)
    image[:, 25:75] = 90
    left = 40 + int(rng.integers(0, 10))
    image[:, left : left + 12] = 180
    if gap:
        image[50:60, left : left + 12] = 90
    return np.clip(image + rng.normal(0, 4, shape), 0, 255).astype(np.uint8)


def made_radiograph(number: int, fractured: bool, split: str = "train") -> Radiograph:
    """Returns one radiograph with its outline."""
    outline = (np.array([[38.0, 48], [63, 48], [63, 62], [38, 62]]),)
    attributes = tuple(float(k == number % 4) for k in range(len(ATTRIBUTES)))
    return Radiograph(
        f"IMG{number:07d}.jpg",
        split,
        made_pixels(number, fractured),
        (outline,) if fractured else (),
        fractured,
        attributes,
    )


def write_dataset(folder: Path, images: list[Radiograph]) -> Path:
    """Writes images in the layout of FracAtlas."""
    (folder / "images").mkdir(parents=True)
    rows, annotations = [], []
    for at, image in enumerate(images):
        Image.fromarray(image.pixels).save(folder / "images" / image.name, quality=95)
        named = dict(zip(ATTRIBUTES, (int(value) for value in image.attributes), strict=True))
        rows.append({"file": image.name, "split": image.split, "fractured": int(image.fractured), **named})
        annotations += [
            {"id": 1, "image_id": at, "category_id": 1, "segmentation": [p.ravel().tolist() for p in outline]}
            for outline in image.outlines
        ]
    write_rows(folder / "images.csv", rows)
    listed = [{"id": at, "file_name": image.name} for at, image in enumerate(images)]
    content = {"images": listed, "annotations": annotations, "categories": [{"id": 1, "name": "fracture"}]}
    (folder / "fractures.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def distinct_pixels(seed: int, gap: bool, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """As `made_pixels`, with random soft tissue, so that no two images are near copies."""
    rng = np.random.default_rng((seed, 1))
    blocks = rng.integers(-40, 40, (shape[0] // 8 + 1, shape[1] // 8 + 1))
    tissue = np.kron(blocks, np.ones((8, 8)))[: shape[0], : shape[1]]
    bone = np.zeros(shape, bool)
    bone[:, 36:64] = True
    return np.clip(made_pixels(seed, gap, shape) + np.where(bone, 0, tissue), 0, 255).astype(np.uint8)


def distinct_radiograph(number: int, fractured: bool, split: str = "train") -> Radiograph:
    """As `made_radiograph`, but no two images are near copies."""
    return replace(made_radiograph(number, fractured, split), pixels=distinct_pixels(number, fractured))


# Where the gap of a made-up bone is outlined: left, top, right, bottom
BOX = (38, 48, 63, 62)


def write_fracatlas(folder: Path, numbers: range, kinds: tuple[str, ...] = ("coco", "yolo", "voc")) -> Path:
    """Writes a set as FracAtlas is published; images of odd numbers are fractured."""
    for place in ("images/Fractured", "images/Non_fractured"):
        (folder / place).mkdir(parents=True)
    names = [f"IMG{number:07d}.jpg" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        place = "Fractured" if number % 2 else "Non_fractured"
        image = Image.fromarray(distinct_pixels(number, bool(number % 2)))
        image.save(folder / "images" / place / name, quality=95)
    rows = [{"image_id": name, "fractured": n % 2, "hand": 1} for n, name in zip(numbers, names, strict=True)]
    write_rows(folder / "dataset.csv", [dict.fromkeys(ATTRIBUTES, 0) | row for row in rows])
    broken = [name for n, name in zip(numbers, names, strict=True) if n % 2]
    for kind in kinds:
        ANNOTATIONS[kind](folder / "Annotations", broken)
    return folder


def write_coco(folder: Path, names: list[str]) -> None:
    """A COCO file of one outline for each image."""
    left, top, right, bottom = BOX
    polygon = [left, top, right, top, right, bottom, left, bottom]
    sizes = {"width": SHAPE[1], "height": SHAPE[0]}
    content = {
        "images": [{"id": at, "file_name": name, **sizes} for at, name in enumerate(names)],
        "annotations": [{"id": at, "image_id": at, "segmentation": [polygon]} for at in range(len(names))],
    }
    path = folder / "COCO JSON/COCO_fracture_masks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_voc(folder: Path, names: list[str]) -> None:
    """A PASCAL VOC file for each image."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    (folder / "PASCAL VOC").mkdir(parents=True)
    for name in names:
        text = f"<annotation><object><bndbox>{box}</bndbox></object></annotation>"
        (folder / "PASCAL VOC" / f"{Path(name).stem}.xml").write_text(text, encoding="utf-8")


def write_yolo(folder: Path, names: list[str]) -> None:
    """A YOLO file for each image."""
    (folder / "YOLO").mkdir(parents=True)
    for name in names:
        (folder / "YOLO" / f"{Path(name).stem}.txt").write_text(yolo_line(0), encoding="utf-8")


def yolo_line(label: int) -> str:
    """A line of a YOLO file: a class, and the gap's box as shares of the image's size."""
    left, top, right, bottom = BOX
    rows, columns = SHAPE
    middle = (left + right) / 2 / columns, (top + bottom) / 2 / rows
    return " ".join(map(str, (label, *middle, (right - left) / columns, (bottom - top) / rows))) + "\n"


ANNOTATIONS: dict[str, Callable[[Path, list[str]], None]] = {
    "coco": write_coco,
    "voc": write_voc,
    "yolo": write_yolo,
}


def write_graz(folder: Path, patients: int, images_each: int = 2) -> Path:
    """Writes a set as GRAZPEDWRI-DX is published; patients of odd numbers have a fracture."""
    labels = folder / "folder_structure/yolov5/labels"
    labels.mkdir(parents=True)
    names = ["boneanomaly", "bonelesion", "foreignbody", "fracture", "metal", "text"]
    meta = f"nc: {len(names)}\nnames: {names}\n"
    (labels.parent / "meta.yaml").write_text(meta, encoding="utf-8")
    rows = []
    for at in range(patients * images_each):
        patient, image = divmod(at, images_each)
        stem = f"{patient:04d}_{at:010d}_01_WRI-L{image + 1}_M010"
        part = folder / f"images_part{at % 2 + 1}"
        part.mkdir(exist_ok=True)
        deep = distinct_pixels(at, bool(patient % 2)).astype(np.uint16) * 200 + 3000
        Image.fromarray(deep).save(part / f"{stem}.png")
        text = yolo_line(5) + (yolo_line(3) if patient % 2 else "")
        (labels / f"{stem}.txt").write_text(text, encoding="utf-8")
        flags = {"fracture_visible": "1.0" if patient % 2 else "", "metal": "1.0" if patient == 1 else ""}
        rows.append(
            {"filestem": stem, "patient_id": patient, "projection": image + 1, "diagnosis_uncertain": ""}
            | {"ao_classification": "23-M/2.1" if patient % 2 else "", **flags}
        )
    write_rows(folder / "dataset.csv", rows)
    return folder


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
