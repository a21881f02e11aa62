"""Small synthetic radiographs: bright bars on grey limbs, some with an outlined gap."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.radiograph.dataset import ATTRIBUTES, Radiograph

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
    with (folder / "images.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    listed = [{"id": at, "file_name": image.name} for at, image in enumerate(images)]
    content = {"images": listed, "annotations": annotations, "categories": [{"id": 1, "name": "fracture"}]}
    (folder / "fractures.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
