"""What is left out of a set of radiographs, each with its reason; one test for each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import (
    SHAPE,
    distinct_pixels,
    distinct_radiograph,
    write_dataset,
    write_fracatlas,
    write_graz,
)
from training.radiograph.datasets.cleaning import RadiographSet, clean
from training.radiograph.datasets.reading import REASONS

# Far enough apart to be no neighbours by number
NUMBERS = range(0, 240, 5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of both kinds in both splits, in Osteon's layout."""
    images = [distinct_radiograph(n, n % 2 == 1, "dev" if n >= 200 else "train") for n in NUMBERS]
    return write_dataset(tmp_path_factory.mktemp("whole") / "own", images)


@pytest.fixture
def own(tmp_path: Path, whole: Path) -> Path:
    """A copy of them, to be damaged."""
    return shutil.copytree(whole, tmp_path / "own")


@pytest.fixture
def fracatlas(tmp_path: Path) -> Path:
    return write_fracatlas(tmp_path / "fracatlas", range(1, 41), ("coco",))


def reasons(dataset: RadiographSet) -> dict[str, str]:
    """Reason by name, of those that are left out for what they are."""
    return {one.name: one.code for one in dataset.exclusions if one.code != "held_out_copy"}


def name(number: int) -> str:
    return f"IMG{number:07d}.jpg"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def outline(folder: Path, number: int, polygon: list[float]) -> None:
    """Outlines one more fracture."""
    path = folder / "fractures.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    ids = {image["file_name"]: image["id"] for image in content["images"]}
    content["annotations"].append({"id": 0, "image_id": ids[name(number)], "segmentation": [polygon]})
    path.write_text(json.dumps(content), encoding="utf-8")


def test_nothing_is_left_out_of_a_clean_set(own: Path) -> None:
    dataset = clean(own)
    assert dataset.exclusions == ()
    assert len(dataset.members) == len(NUMBERS)
    assert dataset.pairs == ()


def test_missing(own: Path) -> None:
    (own / "images" / name(5)).unlink()
    assert reasons(clean(own)) == {name(5): "missing"}


def test_damaged(own: Path) -> None:
    path = own / "images" / name(5)
    path.write_bytes(path.read_bytes()[:600])
    (own / "images" / name(10)).write_bytes(b"no image")
    assert reasons(clean(own)) == {name(5): "damaged", name(10): "damaged"}


def test_listed_twice(own: Path) -> None:
    path = own / "images.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
    dataset = clean(own)
    assert reasons(dataset) == {name(0): "listed_twice"}
    assert len(dataset.members) == len(NUMBERS)


@pytest.mark.parametrize("column", ["uncertain", "classified"])
def test_label_uncertain(tmp_path: Path, column: str) -> None:
    folder = write_graz(tmp_path / "graz", 24)
    stem = "0003_0000000006_01_WRI-L1_M010"
    old = f"{stem},3,1,,23-M/2.1,1.0,"
    new = {"uncertain": f"{stem},3,1,1.0,23-M/2.1,1.0,", "classified": f"{stem},3,1,,23-M/2.1,,"}[column]
    change(folder / "dataset.csv", old, new)
    assert reasons(clean(folder)) == {f"{stem}.png": "label_uncertain"}


def test_label_contradicts_folder(fracatlas: Path) -> None:
    images = fracatlas / "images"
    shutil.copy(images / "Fractured" / name(3), images / "Non_fractured" / name(3))
    (images / "Fractured" / name(7)).rename(images / "Non_fractured" / name(7))
    (images / "Fractured" / name(9)).unlink()
    dataset = clean(fracatlas)
    expected = {name(3): "label_contradicts_folder", name(7): "label_contradicts_folder", name(9): "missing"}
    assert reasons(dataset) == expected
    text = next(one.text for one in dataset.exclusions if one.name == name(3))
    assert text == "expected only in Fractured, found in Fractured and Non_fractured"


def test_label_contradicts_outlines(own: Path) -> None:
    outline(own, 10, [40, 50, 60, 50, 60, 60])
    assert reasons(clean(own)) == {name(10): "label_contradicts_outlines"}


@pytest.mark.parametrize("polygon", [[1.0, 2, 3, 4], [1.0, 2, 3], [float("nan")] * 6])
def test_outlines_unreadable(own: Path, polygon: list[float]) -> None:
    outline(own, 5, polygon)
    assert reasons(clean(own)) == {name(5): "outlines_unreadable"}


def test_outlines_of_another_size_are_unreadable(fracatlas: Path) -> None:
    path = fracatlas / "Annotations/COCO JSON/COCO_fracture_masks.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["images"][0]["width"] = 300
    path.write_text(json.dumps(content), encoding="utf-8")
    assert reasons(clean(fracatlas)) == {name(1): "outlines_unreadable"}


def test_outline_outside(own: Path) -> None:
    outline(own, 5, [90, 100, 140, 100, 140, 110])
    assert reasons(clean(own)) == {name(5): "outline_outside"}


def test_an_outline_that_rounding_moved_outside_is_cut_off(own: Path) -> None:
    outline(own, 5, [90, 100, 100.8, 100, 100.8, 110])
    dataset = clean(own)
    assert reasons(dataset) == {}
    image = next(one for one in dataset.images("train") if one.name == name(5))
    assert max(polygon.max() for outlines in image.outlines for polygon in outlines) <= SHAPE[1] + 20
    assert image.outlines[-1][0][:, 0].max() == SHAPE[1]


def test_identical_copy(own: Path) -> None:
    shutil.copy(own / "images" / name(20), own / "images" / name(60))
    assert reasons(clean(own)) == {name(60): "identical_copy"}


def test_of_identical_copies_the_held_out_one_is_kept(own: Path) -> None:
    shutil.copy(own / "images" / name(210), own / "images" / name(60))
    assert reasons(clean(own)) == {name(60): "identical_copy"}


def test_identical_copies_contradict(own: Path) -> None:
    shutil.copy(own / "images" / name(20), own / "images" / name(65))
    expected = {name(20): "copies_contradict", name(65): "copies_contradict"}
    assert reasons(clean(own)) == expected


def noisy_copy(own: Path, number: int, of: int) -> None:
    """Replaces an image by a copy of another: turned, mirrored, brighter, with noise."""
    pixels = np.asarray(Image.open(own / "images" / name(of)).convert("L")).astype(float)
    noise = np.random.default_rng(0).normal(0, 3, pixels.shape)
    copy = np.clip(0.8 * pixels + 20 + noise, 0, 255).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(np.rot90(copy)[:, ::-1])).save(own / "images" / name(number))


def test_near_copies_contradict(own: Path) -> None:
    noisy_copy(own, 65, of=20)
    expected = {name(20): "copies_contradict", name(65): "copies_contradict"}
    assert reasons(clean(own)) == expected


def test_near_copies_are_linked(own: Path) -> None:
    noisy_copy(own, 60, of=20)
    dataset = clean(own)
    assert dataset.exclusions == ()
    linked = [{dataset.members[at].image.name for at in pair} for pair in dataset.pairs]
    assert linked == [{name(20), name(60)}]


def test_held_out_copy(own: Path) -> None:
    noisy_copy(own, 60, of=210)
    dataset = clean(own)
    assert {one.name: one.code for one in dataset.exclusions} == {name(60): "held_out_copy"}


def test_a_neighbour_of_a_development_image_is_left_out(tmp_path: Path) -> None:
    numbers = [*NUMBERS, 203, 204]
    images = [
        distinct_radiograph(n, n % 2 == 1, "dev" if n >= 200 and n % 5 == 0 else "train") for n in numbers
    ]
    dataset = clean(write_dataset(tmp_path / "set", images))
    found = {one.name: one.code for one in dataset.exclusions}
    assert found == {name(203): "held_out_copy", name(204): "held_out_copy"}


def test_a_patient_of_a_development_image_is_left_out(own: Path) -> None:
    path = own / "images.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    patients = [min(at, 40) for at in range(len(lines))]
    patients[3] = 40
    rows = [f"{line},{patient}" for line, patient in zip(lines, patients, strict=True)]
    path.write_text("\n".join([head + ",patient", *rows]), encoding="utf-8")
    assert {one.name: one.code for one in clean(own).exclusions} == {name(15): "held_out_copy"}


def test_held_out(fracatlas: Path) -> None:
    splits = fracatlas / "Utilities/Fracture Split"
    splits.mkdir(parents=True)
    (splits / "test.csv").write_text(f"image_id\n{name(39)}\n", encoding="utf-8")
    dataset = clean(fracatlas)
    assert reasons(dataset) == {name(39): "held_out"}
    left_out = {one.name for one in dataset.exclusions}
    assert {name(37), name(38), name(40)} <= left_out


def test_a_set_without_development_images_of_both_kinds_gets_some(fracatlas: Path) -> None:
    dataset = clean(fracatlas)
    assert {image.fractured for image in dataset.images("dev")} == {False, True}
    assert 2 <= len(dataset.images("dev")) <= 8
    names = {image.name for image in dataset.images("dev")}
    assert names == {image.name for image in clean(fracatlas).images("dev")}


def test_a_fractured_image_without_an_outline_is_kept_with_its_label(fracatlas: Path) -> None:
    path = fracatlas / "Annotations/COCO JSON/COCO_fracture_masks.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["annotations"][3]
    path.write_text(json.dumps(content), encoding="utf-8")
    dataset = clean(fracatlas)
    (image,) = (one.image for one in dataset.members if not one.image.outlined)
    assert (image.name, image.fractured, image.outlines) == (name(7), True, ())
    assert reasons(dataset) == {}


def test_images_stand_upright_by_their_exif_orientation(own: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(np.rot90(distinct_pixels(10, gap=False))))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(own / "images" / name(10), quality=95, exif=exif)
    (found,) = (one for one in clean(own).images("train") if one.name == name(10))
    assert found.pixels.shape == SHAPE
    assert np.abs(found.pixels.astype(int) - distinct_pixels(10, gap=False)).mean() < 4


def test_every_reason_has_a_sentence_and_is_counted_in_its_order(own: Path) -> None:
    (own / "images" / name(5)).unlink()
    (own / "images" / name(10)).write_bytes(b"no image")
    (own / "images" / name(15)).write_bytes(b"no image")
    assert list(clean(own).counts().items()) == [("missing", 1), ("damaged", 2)]
    assert all(text and not text.endswith(".") for text in REASONS.values())


def test_patients_of_graz_lie_in_one_split(tmp_path: Path) -> None:
    dataset = clean(write_graz(tmp_path / "graz", 24))
    splits: dict[str, set[str]] = {}
    for member in dataset.members:
        splits.setdefault(member.patient, set()).add(member.image.split)
    assert all(len(each) == 1 for each in splits.values())
    assert len(dataset.members) == 48


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (",train,", ",trian,", "expected images of the splits test, dev, train, got trian"),
        ("file,split", "file,spilt", "expected the column split in images.csv, found none"),
    ],
)
def test_a_wrong_table_is_refused(own: Path, old: str, new: str, text: str) -> None:
    change(own / "images.csv", old, new)
    with pytest.raises(UsageError, match=text):
        clean(own)
