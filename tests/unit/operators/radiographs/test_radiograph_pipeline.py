"""A radiograph through its image path: the answer, its findings on the image's own pixels, and its doubts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.geometry.projection import Projection, ProjectionSpacing
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.packages.radiograph import RadiographPackage
from operators.pipelines.several import segment
from operators.segmentation.radiograph_answer import RadiographAnswer, Verdict
from operators.segmentation.segmentation import Segmentation
from tests.support.radiographs.radiograph_package import write_radiograph_package


def quiet(stage: str, done: float) -> None:
    """No progress."""
    del stage, done


def image(rows: int = 90, columns: int = 61, **more: Any) -> Projection:
    grey = np.random.default_rng(0).random((rows, columns), np.float32)
    return Projection(grey, **more)


def run(package: RadiographPackage, shown: Projection, runtime: str = "torch") -> Segmentation:
    return segment(shown, [package], Networks(Device(runtime, 1, "f32")), quiet)


def answered(package: RadiographPackage, shown: Projection) -> RadiographAnswer:
    said = run(package, shown).answer
    assert said is not None
    return said


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.9, Verdict.FRACTURE),
        (0.05, Verdict.NO_FRACTURE),
        (0.45, Verdict.UNCERTAIN),
        (0.55, Verdict.UNCERTAIN),
    ],
)
def test_the_verdict_follows_the_probability(tmp_path: Path, probability: float, verdict: Verdict) -> None:
    said = answered(write_radiograph_package(tmp_path, probability=probability, finding=None), image())
    assert (said.verdict, said.probability, said.operating_point) == (verdict, probability, "balanced")
    assert said.uncertain == pytest.approx((0.4, 0.6))


def test_the_bounds_of_an_uncertain_answer_are_decimal_numbers(tmp_path: Path) -> None:
    package = replace(write_radiograph_package(tmp_path), operating_point="0.7")
    assert answered(package, image()).uncertain == (0.6, 0.8)


@pytest.mark.parametrize(("point", "threshold"), [("sensitive", 0.2), ("specific", 0.8), ("0.37", 0.37)])
def test_the_operating_point_is_a_name_or_a_number(tmp_path: Path, point: str, threshold: float) -> None:
    package = replace(write_radiograph_package(tmp_path), operating_point=point)
    said = answered(package, image())
    assert (said.operating_point, said.threshold) == (point, threshold)


@pytest.mark.parametrize("shape", [(90, 61), (61, 90), (64, 64), (905, 613), (50, 700)])
def test_a_finding_lies_on_the_images_own_pixels(tmp_path: Path, shape: tuple[int, int]) -> None:
    made = run(write_radiograph_package(tmp_path), image(*shape))
    assert made.answer is not None
    labels = made.label_map.labels
    assert labels.shape == (shape[1], shape[0], 1)
    assert (labels == 1).mean() > 0.99
    (found,) = made.answer.findings
    assert found.box == (0, 0, *shape)
    assert found.area_pixels == (labels == 1).sum()
    assert found.area_mm2 is None
    (segment_,) = made.segments
    assert (segment_.value, segment_.label, segment_.confidence) == (1, "Fracture 1", 0.8)
    assert segment_.region.meaning == "Hand"


def test_an_area_in_mm2_needs_a_spacing(tmp_path: Path) -> None:
    spacing = ProjectionSpacing(0.5, 0.2, "detector", "ImagerPixelSpacing")
    (found,) = answered(write_radiograph_package(tmp_path), image(spacing=spacing)).findings
    assert found.area_mm2 == pytest.approx(found.area_pixels * 0.1, rel=0.01)


def test_networks_are_read_in_single_precision(tmp_path: Path) -> None:
    """The local contrast that they compute would lose most of its digits in bfloat16."""
    package = write_radiograph_package(tmp_path)
    assert [fold.precision for fold in package.folds] == ["f32"]
    assert Device().asked_by(package.folds[0]).precision == "f32"


def test_no_finding_is_an_answer_too(tmp_path: Path) -> None:
    made = run(write_radiograph_package(tmp_path, probability=0.03, finding=None), image())
    assert made.answer is not None
    assert (made.segments, made.answer.findings, made.answer.verdict) == ((), (), Verdict.NO_FRACTURE)
    assert not made.label_map.labels.any()


def test_an_outlined_finding_leaves_no_image_without_fracture(tmp_path: Path) -> None:
    package = write_radiograph_package(tmp_path, probability=0.03)
    made = answered(package, image())
    assert (len(made.findings), made.verdict) == (1, Verdict.UNCERTAIN)


def test_a_finding_less_likely_than_not_is_none(tmp_path: Path) -> None:
    assert answered(write_radiograph_package(tmp_path, finding=0.49), image()).findings == ()


@pytest.mark.parametrize(
    ("more", "shown", "codes"),
    [
        ({}, {}, []),
        ({"body_part": "none of them"}, {}, ["other_body_part"]),
        ({}, {"body_part": "CHEST"}, ["other_body_part"]),
        ({}, {"body_part": "CHESTHAND"}, ["other_body_part"]),
        ({}, {"procedure": "Chest PA and lateral"}, ["other_body_part"]),
        ({}, {"procedure": "RIBS LEFT"}, ["other_body_part"]),
        ({}, {"body_part": "HAND", "procedure": "SKULL AND FACE"}, ["other_body_part"]),
        ({}, {"procedure": "CHEST AND HANDS"}, []),
        ({}, {"procedure": "Cribs"}, []),
        ({}, {"body_part": "Right wrist, p.a."}, []),
        ({"body_part": "hardware"}, {"body_part": "HAND"}, ["other_body_part", "hardware"]),
        ({"body_part": "upside_down"}, {"body_part": "HAND"}, ["other_body_part", "upside_down"]),
        ({"typical_distance": 1e-6}, {}, ["other_image_kind"]),
        ({"body_part": "leg"}, {"body_part": "HAND"}, ["body_part_contradiction"]),
        ({"body_part": "leg"}, {"body_part": "Left knee"}, []),
        ({"body_part": "leg"}, {"body_part": "KNEE", "procedure": "XR HAND"}, []),
        ({"body_part": "leg"}, {"procedure": "XR Hands, two views"}, ["body_part_contradiction"]),
        ({"body_part": "leg"}, {"procedure": "NACHBEHANDLUNG"}, []),
        ({"body_part": "leg"}, {"body_part": "EXTREMITY", "procedure": "hand"}, ["body_part_contradiction"]),
        ({"body_part": "leg"}, {"directions": ("L", "F")}, []),
        ({"body_part": "leg"}, {"directions": ("A", "FL")}, []),
        ({"body_part": "leg"}, {"directions": ("RA", "HP")}, ["upside_down"]),
        ({"body_part": "leg"}, {"directions": ("R", "F")}, ["mirrored"]),
        ({"body_part": "leg"}, {"directions": ("L", "H")}, ["upside_down", "mirrored"]),
        ({"body_part": "hand"}, {"directions": ("L", "H")}, []),
        ({"body_part": "leg"}, {"directions": ("F", "R")}, ["on_its_side"]),
        ({"body_part": "leg"}, {"directions": ("H", "R")}, ["on_its_side", "mirrored"]),
        ({"body_part": "upside_down"}, {"directions": ("R", "H")}, ["other_body_part", "upside_down"]),
        # A header may say L and F of every image
        ({"body_part": "upside_down"}, {"directions": ("L", "F")}, ["other_body_part", "upside_down"]),
    ],
)
def test_doubts_are_flags(
    tmp_path: Path, more: dict[str, Any], shown: dict[str, Any], codes: list[str]
) -> None:
    package = write_radiograph_package(tmp_path, **more)
    flags = run(package, image(**shown)).flags
    assert [flag.code for flag in flags] == codes


def test_a_contradiction_names_both_body_parts_and_is_answered(tmp_path: Path) -> None:
    made = run(write_radiograph_package(tmp_path, body_part="leg"), image(body_part="HAND"))
    (flag,) = made.flags
    assert flag.sentence.startswith("The header names hand, the image looks like leg (98%)")
    assert (flag.values, made.answer is not None) == ((1,), True)


def test_laterality_is_the_headers_or_unknown(tmp_path: Path) -> None:
    package = write_radiograph_package(tmp_path)
    assert answered(package, image()).laterality == "unknown"
    made = run(package, image(laterality="left"))
    assert made.segments[0].laterality is not None
    assert made.segments[0].laterality.meaning == "Left"


def test_a_mirror_image_has_the_same_answer(tmp_path: Path) -> None:
    package = write_radiograph_package(tmp_path)
    package = replace(package, decision=replace(package.decision, image=(0.0, 1.0)))
    plain, shown = image(50, 40), image(50, 40)
    mirrored = replace(shown, grey=np.ascontiguousarray(shown.grey[:, ::-1]))
    one, other = answered(package, plain), answered(package, mirrored)
    assert one.probability == other.probability
    assert np.abs(one.heat_map - other.heat_map[:, ::-1]).max() < 1e-5
