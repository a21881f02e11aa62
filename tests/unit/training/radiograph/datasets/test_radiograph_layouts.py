"""Sets of radiographs as they are published, made up: what is read of each layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import (
    BOX,
    distinct_pixels,
    distinct_radiograph,
    write_dataset,
    write_fracatlas,
    write_graz,
    write_rows,
    yolo_line,
)
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.reading import Reading, read


def read_all(folder: Path) -> list[Reading]:
    return [read(entry) for entry in layout_of(folder).entries(folder)]


def attributes(reading: Reading) -> dict[str, float]:
    return dict(zip(ATTRIBUTES, reading.member.image.attributes, strict=True))


def test_a_layout_is_recognised_by_its_files(tmp_path: Path) -> None:
    own = write_dataset(tmp_path / "own", [distinct_radiograph(n, n % 2 == 1) for n in range(2)])
    fracatlas = write_fracatlas(tmp_path / "fracatlas", range(2))
    graz = write_graz(tmp_path / "graz", 2)
    found = [layout_of(folder).name for folder in (own, fracatlas, graz)]
    assert found == ["Osteon", "FracAtlas", "GRAZPEDWRI-DX"]


def test_a_folder_in_no_layout_is_refused_with_the_layouts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Osteon \(images.csv.*FracAtlas \(.*GRAZPEDWRI-DX \(dataset.csv"):
        layout_of(tmp_path)
    with pytest.raises(UsageError, match="nowhere is not a folder"):
        layout_of(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_all_annotations_of_fracatlas_give_the_same_fractures(tmp_path: Path, kind: str) -> None:
    whole, broken, *_ = read_all(write_fracatlas(tmp_path / "set", range(3), (kind,)))
    assert (whole.member.image.fractured, whole.member.image.outlines) == (False, ())
    rows, columns = np.nonzero(broken.member.image.mask())
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx(BOX, abs=1)
    assert attributes(broken)["hand"] == 1
    assert (broken.member.number, broken.member.patient) == (1, "")


def test_yolo_polygons(tmp_path: Path) -> None:
    folder = write_fracatlas(tmp_path / "set", range(2), ("yolo",))
    (folder / "Annotations/YOLO/IMG0000001.txt").write_text("0 0.2 0.5 0.6 0.5 0.6 0.75\n", encoding="utf-8")
    (polygon,) = read_all(folder)[1].member.image.outlines[0]
    assert polygon.tolist() == pytest.approx(np.array([[20, 60], [60, 60], [60, 90]]))


def test_fracatlas_without_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected annotations in one of COCO JSON"):
        read_all(write_fracatlas(tmp_path / "set", range(2), ()))


def test_the_splits_of_fracatlas(tmp_path: Path) -> None:
    folder = write_fracatlas(tmp_path / "set", range(4))
    splits = folder / "Utilities/Fracture Split"
    splits.mkdir(parents=True)
    (splits / "valid.csv").write_text("image_id\nIMG0000001.jpg\n", encoding="utf-8")
    (splits / "test.csv").write_text("image_id\nIMG0000003.jpg\n", encoding="utf-8")
    assert [entry.split for entry in layout_of(folder).entries(folder)] == ["train", "dev", "train", "test"]


def test_graz_has_boxes_of_one_class_patients_views_and_metal(tmp_path: Path) -> None:
    readings = read_all(write_graz(tmp_path / "set", 2))
    whole, lateral, broken, _ = readings
    assert [one.member.patient for one in readings] == ["0", "0", "1", "1"]
    assert [one.member.number for one in readings] == [None] * 4
    assert [len(one.member.image.outlines) for one in readings] == [0, 0, 1, 1]
    rows, columns = np.nonzero(broken.member.image.mask())
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx(BOX, abs=1)
    assert (attributes(whole)["frontal"], attributes(lateral)["frontal"]) == (1, 0)
    assert (attributes(whole)["lateral"], attributes(lateral)["lateral"]) == (0, 1)
    assert (attributes(whole)["hand"], attributes(whole)["hardware"]) == (1, 0)
    assert broken.member.image.hardware


def test_an_unknown_view_is_neither_yes_nor_no(tmp_path: Path) -> None:
    folder = write_graz(tmp_path / "set", 1, 1)
    text = (folder / "dataset.csv").read_text(encoding="utf-8")
    (folder / "dataset.csv").write_text(text.replace(",0,1,,", ",0,,,"), encoding="utf-8")
    assert np.isnan(attributes(read_all(folder)[0])["frontal"])


def test_sixteen_bits_become_eight_over_their_range(tmp_path: Path) -> None:
    pixels = read_all(write_graz(tmp_path / "set", 1))[0].member.image.pixels
    true = distinct_pixels(0, gap=False)
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert np.corrcoef(pixels.ravel(), true.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("names", ["[fracture, text]", "{0: fracture, 1: text}"])
def test_the_class_of_fractures_is_that_of_meta_yaml(tmp_path: Path, names: str) -> None:
    folder = write_graz(tmp_path / "set", 2)
    meta = folder / "folder_structure/yolov5/meta.yaml"
    meta.write_text(f"names: {names}\n", encoding="utf-8")
    for path in meta.parent.glob("labels/*.txt"):
        path.write_text(yolo_line(0) if path.name.startswith("0001") else yolo_line(1), encoding="utf-8")
    assert [len(one.member.image.outlines) for one in read_all(folder)] == [0, 0, 1, 1]
    meta.write_text("names: [text]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="expected the class fracture"):
        read_all(folder)


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    folder = write_graz(tmp_path / "set", 1)
    write_rows(folder / "dataset.csv", [{"filestem": "a"}])
    with pytest.raises(UsageError, match="expected the column patient_id in dataset"):
        read_all(folder)


def test_patients_of_the_own_layout_are_a_column_that_may_be_missing(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set", [distinct_radiograph(n, n == 1) for n in range(2)])
    assert [one.member.patient for one in read_all(folder)] == ["", ""]
    path = folder / "images.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head + ",patient", *(line + ",x" for line in lines)]), encoding="utf-8")
    assert [(one.member.patient, one.member.number) for one in read_all(folder)] == [("x", None)] * 2


def test_the_own_layout_lists_what_it_outlines(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set", [distinct_radiograph(n, n == 1) for n in range(2)])
    path = folder / "images.csv"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:2]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"fractures.json outlines IMG0000001\.jpg"):
        read_all(folder)
