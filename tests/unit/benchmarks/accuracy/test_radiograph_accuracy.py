"""Metrics, tables and documents of radiographs, on hand-written rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy.radiographs import __main__ as command
from benchmarks.accuracy.radiographs.cases import cases_of, found_in
from benchmarks.accuracy.radiographs.document import write_card, write_document
from benchmarks.accuracy.radiographs.failures import failures
from benchmarks.accuracy.radiographs.measures import (
    GOALS,
    choice_recognition,
    detection_limit,
    finding_counts,
    fractures_missed,
    mask_precision,
    recognition,
    shipped_point_values,
)
from benchmarks.accuracy.radiographs.pictures import chosen_images, write_sheet
from benchmarks.accuracy.radiographs.rows import RadiographRows, Row, read_rows
from benchmarks.accuracy.radiographs.tables import (
    body_parts,
    goal_table,
    group_table,
    plain_table,
    point_table,
    recognition_table,
    recognitions,
    sizes,
)
from operators.errors import UsageError
from operators.radiographs.answer import RadiographOutput
from operators.radiographs.detections import Decoding
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.fitting import Answered

DRAWS = 20
ATTRIBUTES = ["hand", "leg", "mixed", "hardware", "frontal", "lateral"]
CARD = "# A card\n\n<!-- figures -->\nNot measured yet.\n<!-- /figures -->\n\nThe end\n"


def detection(score: float, *overlaps: float) -> Row:
    return {"score": score, "overlaps": list(overlaps), "hits": [value > 0 for value in overlaps]}


def row(number: int, fractured: bool, right: bool, shows: tuple[str, ...] = ("hand", "frontal")) -> Row:
    """The row of an image with a correct or wrong prediction of high confidence."""
    outlines = int(fractured)
    found = [detection(0.9, *[0.8 if right else 0.0] * outlines)] if fractured or not right else []
    said_fractured = fractured == right
    return {
        "file": f"{number:04}.jpg",
        "size": [373, 454],
        "fractured": fractured,
        "outlines": outlines,
        "shows": list(shows),
        "score": (4.0 if said_fractured else -4.0) + number / 1000,
        "probability": 0.95 if said_fractured else 0.05,
        "body_part": "hand",
        "view": "frontal",
        "said": {name: 0.9 if name in ("hand", "frontal") else 0.1 for name in ATTRIBUTES},
        "detections": found,
        "findings": found,
    }


def rows_of(images: list[Row]) -> RadiographRows:
    return RadiographRows(
        package="made",
        weights={"fracture": "ab" * 32},
        made_on="a machine",
        attributes=ATTRIBUTES,
        body_parts=["hand", "leg"],
        views=["frontal", "lateral"],
        operating_points={"sensitive": 0.2, "balanced": 0.5, "specific": 0.8},
        margin=0.1,
        fitted_on="60 images",
        images=images,
    )


@pytest.fixture
def good() -> RadiographRows:
    return rows_of([row(n, n % 2 == 0, right=True) for n in range(60)])


@pytest.fixture
def bad() -> RadiographRows:
    # Every third answer is right
    return rows_of([row(n, n % 2 == 0, right=n % 3 == 0) for n in range(60)])


def cells(table: str, name: str) -> list[str]:
    """The cells after a row's name."""
    return next(
        [cell.strip() for cell in line.split("|")[2:-1]]
        for line in table.splitlines()
        if line.startswith(f"| {name} |")
    )


def test_floors_that_are_met_and_those_that_are_not(good: RadiographRows, bad: RadiographRows) -> None:
    table = goal_table(cases_of(good, DRAWS))
    assert table.splitlines()[0] == "| metric | published | floor | aim | here | 95 % | floor met? |"
    name = "mask mAP50, fractured images"
    assert cells(table, name)[1:] == ["0.25", "0.48", "1.000", "1.000 to 1.000", "met, and the aim"]
    assert all(cells(table, goal.name)[-1] == "met, and the aim" for goal in GOALS[:4])
    worse = goal_table(cases_of(bad, DRAWS))
    assert {cells(worse, goal.name)[-1] for goal in GOALS[:4]} == {"not met"}
    assert cells(worse, "AUC, fractured or not")[0].startswith("0.88 frozen foundation model")


def test_unknown_metrics_are_dashes_and_not_measured() -> None:
    whole = rows_of([row(n, False, right=True) for n in range(30)])
    table = goal_table(cases_of(whole, DRAWS))
    for goal in GOALS:
        assert cells(table, goal.name)[-3:] == ["-", "-", "not measured"]


def test_groups_without_images_are_dashes(good: RadiographRows) -> None:
    cases = cases_of(good, DRAWS)
    table = group_table(cases, body_parts(cases, good), "body part")
    assert cells(table, "leg") == ["0", "0", *["-"] * 7]
    assert cells(table, "hand")[:3] == ["60", "30", "1.000 (1.000 to 1.000)"]
    by_size = group_table(cases, sizes(cases), "published size")
    assert cells(by_size, "larger") == ["0", "0", *["-"] * 7]
    assert cells(by_size, "454 pixels or fewer")[0] == "60"


def test_images_of_an_unknown_size_are_in_no_group(good: RadiographRows) -> None:
    images = [{**image, "size": None} for image in good.images[:30]]
    large = [{**image, "size": [2304, 2880]} for image in good.images[30:]]
    cases = cases_of(rows_of(images + large), DRAWS)
    assert [int(own.sum()) for own in sizes(cases).values()] == [0, 30]


def test_an_image_without_outlines_counts_for_its_label_alone(good: RadiographRows) -> None:
    blind = {**good.images[0], "detections": None, "outlines": 0}
    cases = cases_of(rows_of([blind, *good.images[1:]]), DRAWS)
    assert found_in(blind) is None
    assert cases.outlined.sum() == 59
    assert mask_precision(cases).value == 1
    assert fractures_missed(cases, 0.5) == (0, 29)


def test_metrics_without_metal(good: RadiographRows) -> None:
    metal = [{**image, "shows": ["hand", "hardware"]} for image in good.images[:10]]
    table = plain_table(cases_of(rows_of([*metal, *good.images[10:]]), DRAWS))
    assert table.splitlines()[0] == "| metric | all images (60) | without metal (50) |"


def test_operating_points(good: RadiographRows) -> None:
    cases = cases_of(good, DRAWS)
    table = point_table(cases, good)
    assert cells(table, "balanced, cross-fitted")[2] == "1.000 (1.000 to 1.000)"
    assert 0.5 < float(cells(table, "balanced, cross-fitted")[0]) < 1
    assert cells(table, "balanced, as shipped")[0] == "0.500"
    near = shipped_point_values(cases, 0.97, 0.1)
    assert (near.sensitivity.value, near.specificity.value, near.accuracy.value) == (0, 1, 0.5)
    assert near.uncertain.value == 0.5


def test_operating_points_are_chosen_on_other_images() -> None:
    # In the first fold alone the sure answers are wrong; its own threshold would have seen that
    images = [row(n, n % 2 == 0, right=n >= 3) for n in range(60)]
    cases = cases_of(rows_of(images), DRAWS)
    values = cases.thresholds["balanced"]
    assert len(set(values)) > 1
    assert np.isfinite(values).all()


def test_missed_fractures_are_counted_above_the_score_limit(bad: RadiographRows) -> None:
    cases = cases_of(bad, DRAWS)
    limit = detection_limit(cases)
    missed, count = fractures_missed(cases, limit)
    assert (missed > 0, count) == (True, 30)
    assert fractures_missed(cases, 1.0) == (30, 30)
    found = finding_counts(cases)
    assert (found.shown, found.right, found.hit, found.fractures) == (50, 10, 10, 30)


def test_recognition_beside_a_constant_answer(good: RadiographRows) -> None:
    others = [{**image, "shows": ["leg", "lateral"]} for image in good.images[:15]]
    cases = cases_of(rows_of([*others, *good.images[15:]]), DRAWS)
    hand = recognition(cases, "hand")
    assert (hand.images, hand.accuracy.value, hand.constant) == (45, 0.75, 0.75)
    part = choice_recognition(cases, "body_part", ["hand", "leg"])
    assert (part.name, part.images, part.accuracy.value, part.constant) == ("body part", 60, 0.75, 0.75)
    table = recognition_table(recognitions(cases, good))
    assert cells(table, "hardware") == ["0", "1.000 (1.000 to 1.000)", "1.000"]


def test_an_attribute_that_no_image_has_is_a_dash(good: RadiographRows) -> None:
    cases = cases_of(rows_of([{**image, "shows": []} for image in good.images]), DRAWS)
    table = recognition_table([choice_recognition(cases, "view", good.views)])
    assert cells(table, "view") == ["0", "-", "-"]


def test_failures_name_metrics_body_parts_and_attributes(good: RadiographRows, bad: RadiographRows) -> None:
    assert not [line for line in failures(cases_of(good, DRAWS), good) if "floor" in line]
    others = [{**image, "shows": ["leg"]} for image in bad.images[:20]]
    mixed = rows_of([*others, *bad.images[20:]])
    text = "\n".join(failures(cases_of(mixed, DRAWS), mixed))
    assert "AUC, fractured or not: 0.322; the floor is 0.80." in text
    assert "40 of the 50 findings that runs show hit no fracture." in text
    assert "leg: fractured and other images are not reliably separated" in text
    assert "hand: " in text
    silent = rows_of([{**image, "findings": []} for image in good.images])
    assert any("outlines no fracture" in line for line in failures(cases_of(silent, DRAWS), silent))


def test_a_page_without_rows_says_so(tmp_path: Path) -> None:
    write_document(None, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").endswith("Not measured yet.\n")
    assert read_rows(tmp_path / "rows.json") is None


def test_a_page_of_few_images_is_written(tmp_path: Path, good: RadiographRows) -> None:
    # Too few to fit anything on
    few = rows_of(good.images[:4])
    write_document(few, tmp_path / "page.md", DRAWS)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert cells(text, "balanced, cross-fitted") == ["-"] * 5
    assert cells(text, "expected calibration error")[-3:] == ["-", "-", "not measured"]


def images(count: int) -> list[Radiograph]:
    """Images of which every second has one fracture in its middle."""
    rng = np.random.default_rng(0)
    square = np.array([[10, 10], [50, 10], [50, 50], [10, 50.0]])
    return [
        Radiograph(
            name=f"{n:04}.jpg",
            split="dev",
            pixels=rng.integers(0, 255, (60, 60), dtype=np.uint8),
            outlines=((square,),) if n % 2 == 0 else (),
            fractured=n % 2 == 0,
            attributes=(1.0, *[0.0] * 6, 1.0, 0.0, 0.0),
        )
        for n in range(count)
    ]


def test_the_contact_sheet_has_up_to_four_of_each_kind(tmp_path: Path) -> None:
    said = RadiographOutput(np.full((60, 60), 0.8, np.float32), 0.0, (), 1.0)
    answered = [Answered(image, said) for image in images(20)]
    found = [found_in(row(n, n % 2 == 0, right=n < 6 or n >= 14)) for n in range(20)]
    known = [each for each in found if each is not None]
    chosen = chosen_images(list(zip(answered, known, strict=True)), 0.5)
    assert {name: sorted(each.image.name for each in some) for name, some in chosen.items()} == {
        "found": ["0000.jpg", "0002.jpg", "0004.jpg", "0014.jpg"],
        "missed": ["0006.jpg", "0008.jpg", "0010.jpg", "0012.jpg"],
        "false positives": ["0007.jpg", "0009.jpg", "0011.jpg", "0013.jpg"],
    }
    write_sheet(answered, found, Decoding(), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size[0] == 4 * 460


def test_the_command_writes_the_page_without_rows_and_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: RadiographRows
) -> None:
    page, models = tmp_path / "page.md", tmp_path / "models"
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "MODELS", models)
    for write in (write_document, write_card):
        monkeypatch.setattr(command, write.__name__, partial(write, draws=DRAWS))
    command.main()
    assert "Not measured yet." in page.read_text(encoding="utf-8")
    (models / "made").mkdir(parents=True)
    (models / "made" / "MODEL_CARD.md").write_text(CARD, encoding="utf-8")
    small = replace(good, images=good.images[:6])
    monkeypatch.setattr(command, "measure", lambda *_: small)
    command.main(data=tmp_path)
    assert read_rows(tmp_path / "page" / "rows.json") == small
    assert "not met" in page.read_text(encoding="utf-8") or "not measured" in page.read_text(encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", tmp_path / "other.md")
    with pytest.raises(UsageError, match="expected --data"):
        command.main(baseline=tmp_path)
