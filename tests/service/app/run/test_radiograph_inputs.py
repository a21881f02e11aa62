"""Runs on suitable, doubtful and unsuitable images: exit codes, sentences and results for radiographs."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import osteon
from app.run.folder import run_folder
from app.run.series_job import Graph, graph_of
from app.run.stage_clock import silent
from app.settings import Settings
from operators.errors import OsteonError
from tests.support.packages.model_cases import ran
from tests.support.radiographs.radiograph_inputs import INPUTS, LARGE, Sources, write_input
from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.support.training.training_cases import write_models

ANSWER = "fracture"
MADE_AT = datetime(2026, 3, 4, 5, 6, 7)
DETECTOR, UNKNOWN, OTHER = "detector_spacing", "no_spacing", "other_body_part"
CONTRADICTION = "body_part_contradiction"
# Exit code, what became of each image or file, and the flags of the answers
EXPECTED: dict[str, tuple[int, list[str], set[str]]] = {
    "DX of the hand": (0, [ANSWER], {DETECTOR}),
    "DX without spacing": (0, [ANSWER], {UNKNOWN}),
    "DX without body part": (0, [ANSWER], {DETECTOR}),
    "DX upside down": (0, [ANSWER], {DETECTOR}),
    "DX mirrored": (0, [ANSWER], {DETECTOR}),
    "DX on its side": (0, [ANSWER], {DETECTOR}),
    "DX, bone dark, MONOCHROME1": (0, [ANSWER], {DETECTOR}),
    "DX, bone bright, wrongly MONOCHROME1": (0, [ANSWER], {DETECTOR}),
    "DX, bone dark, wrongly MONOCHROME2": (0, [ANSWER], {DETECTOR}),
    "CR": (0, [ANSWER], {DETECTOR}),
    "DX of the chest, ray sum": (0, [ANSWER], {DETECTOR, OTHER}),
    "DX of the chest that names no body part": (0, [ANSWER], {DETECTOR}),
    "DX of the chest that names a hand": (0, [ANSWER], {DETECTOR}),
    "DX of the hand that names a knee": (0, [ANSWER], {DETECTOR, CONTRADICTION}),
    "DX of the hand whose description names a knee": (0, [ANSWER], {DETECTOR, CONTRADICTION}),
    "DX, damaged JPEG": (4, ["damaged_pixels"], set()),
    "DX, black": (3, ["no_contrast"], set()),
    "DX, white": (3, ["no_contrast"], set()),
    "DX, one grey": (3, ["no_contrast"], set()),
    "DX, saturated": (3, ["no_contrast"], set()),
    "DX, noise": (0, [ANSWER], {DETECTOR}),
    "DX of two frames": (3, ["multi_frame"], set()),
    "secondary capture of two frames": (3, ["multi_frame"], set()),
    "secondary capture, RGB but grey": (0, [ANSWER], {DETECTOR}),
    "secondary capture in colours": (3, ["colour_image"], set()),
    "secondary capture of a screen": (3, ["not_a_radiograph"], set()),
    "mammogram": (3, ["other_modality"], set()),
    "mammogram that says DX": (3, ["not_a_projection"], set()),
    "intra-oral": (3, ["other_modality"], set()),
    "panoramic": (3, ["other_modality"], set()),
    "DX of the jaws": (0, [ANSWER], {DETECTOR, OTHER}),
    "ultrasound": (3, ["not_a_projection"], set()),
    "one slice of a CT": (3, ["not_a_projection"], set()),
    "CT and DX in one study": (0, ["not_a_projection", ANSWER], {DETECTOR}),
    "two views and a broken file": (0, [ANSWER, ANSWER, "truncated_file"], {DETECTOR}),
    "zip of DX": (0, [ANSWER], {DETECTOR}),
    "PNG": (0, [ANSWER], {UNKNOWN}),
    "JPEG": (0, [ANSWER], {UNKNOWN}),
    "PNG, bone dark": (0, [ANSWER], {UNKNOWN}),
    "PNG of a CT's slice": (0, [ANSWER], {UNKNOWN}),
    "PNG of the chest, ray sum": (0, [ANSWER], {UNKNOWN}),
    "PNG in colours": (3, ["colour_image"], set()),
    "PNG, RGB but grey": (0, [ANSWER], {UNKNOWN}),
    "PNG, noise": (0, [ANSWER], {UNKNOWN}),
    "PNG, black": (3, ["no_contrast"], set()),
    "PNG of 32 pixels a side": (3, ["image_size"], set()),
    "PNG of 16 bits": (0, [ANSWER], {UNKNOWN, "stretched"}),
    "PNG of 1 bit": (3, ["no_contrast"], set()),
    "PNG with a palette": (0, [ANSWER], {UNKNOWN}),
    "PNG with transparency": (0, [ANSWER], {UNKNOWN}),
    "PNG, animated": (3, ["multi_frame"], set()),
    "JPEG, turned by EXIF": (0, [ANSWER], {UNKNOWN}),
    "JPEG, truncated": (4, ["unreadable_picture"], set()),
    "JPEG named PNG": (0, [ANSWER], {UNKNOWN}),
    "PNG in subfolders": (0, [ANSWER] * 3, {UNKNOWN}),
    "PNG with odd names": (0, [ANSWER] * 2, {UNKNOWN}),
    "PNG and a broken one": (0, [ANSWER, "unreadable_picture"], {UNKNOWN}),
    "PNG beside a DX": (0, [ANSWER, "beside_dicom"], {DETECTOR}),
    "zip of PNG": (0, [ANSWER], {UNKNOWN}),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_radiograph_package(folder)
    return folder


@cache
def loaded(models: Path) -> Graph:
    """The graph, whose networks are loaded once for all inputs; the torch runtime needs no compilation."""
    return graph_of(Settings(models=models, runtime="torch"))


def report_of(name: str, folder: Path, models: Path, **settings: Any) -> dict[str, Any]:
    """report.json of a run over an input."""
    given = write_input(name, folder / "in", Sources())
    chosen = Settings(models=models, runtime="torch", **settings)
    with suppress(OsteonError):  # the report says so
        run_folder(given, folder / "out", chosen, None, MADE_AT, silent, loaded(models))
    report: dict[str, Any] = json.loads((folder / "out/report.json").read_text(encoding="utf-8"))
    return report


def test_every_input_is_expected() -> None:
    assert set(EXPECTED) == set(INPUTS) - set(LARGE)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_input_is_answered_or_refused_for_a_reason(tmp_path: Path, models: Path, name: str) -> None:
    code, said, flags = EXPECTED[name]
    report = report_of(name, tmp_path, models)
    rows = report["series"]
    codes = [row["answer"]["verdict"] if "answer" in row else row["code"] for row in rows]
    assert report["exit_code"] == code
    assert codes + [file["code"] for file in report["unreadable"]] == said
    assert {flag["code"] for row in rows for flag in row["flags"]} == flags
    assert all(row["sentence"] for row in rows)
    assert str(tmp_path) not in json.dumps(report)


def test_pictures_are_no_study_and_keep_their_names(tmp_path: Path, models: Path) -> None:
    report = report_of("PNG in subfolders", tmp_path, models)
    assert "studies" not in report
    assert [row["part"] for row in report["series"]] == ["2.png", "a/1.png", "b/c/1.png"]


def test_views_of_one_study_are_summed_up(tmp_path: Path, models: Path) -> None:
    (study,) = report_of("two views and a broken file", tmp_path, models)["studies"]
    assert (study["verdict"], study["views"]) == ("fracture", 2)


@pytest.mark.parametrize("name", ["mammogram", "mammogram that says DX", "intra-oral", "panoramic"])
def test_other_x_rays_are_not_asked_to_be_a_ct(tmp_path: Path, name: str) -> None:
    both = write_models(tmp_path / "both")
    write_radiograph_package(both)
    (row,) = report_of(name, tmp_path, both)["series"]
    assert row["sentence"].startswith("expected a radiograph")


POINTS = {"sensitive": 0.2, "balanced": 0.5, "specific": 0.8, "0.3": 0.3}


@pytest.mark.parametrize("point", POINTS)
def test_the_operating_point_is_an_option_of_the_command(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], point: str
) -> None:
    given = write_input("PNG", tmp_path / "in", Sources())
    options = ("-o", tmp_path / "out", "-m", models, "--operating-point", point)
    code, said = ran(capsys, "run", given, *options)
    assert code == 0
    assert said.startswith("segmented DX, 1.png, 1 slice\n")
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    answer = report["series"][0]["answer"]
    assert (answer["operating_point"], answer["threshold"]) == (point, POINTS[point])


@pytest.mark.parametrize("point", ["2", "0", "nan", "abc"])
def test_a_wrong_operating_point_is_refused_in_one_sentence(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], point: str
) -> None:
    given = write_input("PNG", tmp_path / "in", Sources())
    options = ("-o", tmp_path / "out", "-m", models, "--operating-point", point)
    wanted = "expected auto, sensitive, balanced, specific or a number between 0 and 1"
    assert ran(capsys, "run", given, *options) == (
        2,
        f"osteon: setting operating_point: {wanted}, got '{point}'\n",
    )


FORMATS = ("stl", "glb", "rtstruct", "nifti")


@pytest.mark.parametrize("name", ["DX of the hand", "PNG"])
def test_formats_that_a_radiograph_lacks_are_named_and_nothing_has_failed(
    tmp_path: Path, models: Path, name: str
) -> None:
    report = report_of(name, tmp_path, models, files=FORMATS)
    (row,) = report["series"]
    assert report["exit_code"] == 0
    if name == "PNG":
        assert [each["kind"] for each in row["missing"]] == list(FORMATS)
        return
    assert {(each["kind"], each["code"]) for each in row["missing"]} == {
        ("files", "no_surface"),
        ("rtstruct", "no_frame_of_reference"),
    }
    assert row["files"] == ["files/bones_dseg.nii.gz", "files/bones_dseg.tsv"]
    table = (tmp_path / "out/files/bones_dseg.tsv").read_text(encoding="utf-8").splitlines()
    assert table[1].startswith("1\tFracture 1\t#")


SPACINGS = {"DX of the hand": [0.2, 0.15], "DX without spacing": None, "zip of DX": [0.2, 0.15]}


@pytest.mark.parametrize("name", SPACINGS)
def test_the_listing_invents_no_place_and_no_third_axis(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    given = write_input(name, tmp_path / "in", Sources())
    code, said = ran(capsys, "series", given, "-m", models, "--json")
    (row,) = json.loads(said)
    assert (code, row["spacing_mm"], row["ijk_to_lps"]) == (0, SPACINGS[name], None)


def test_the_listing_shows_pictures_that_would_be_read_and_names_the_others(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(name: str, *options: str) -> str:
        given = write_input(name, tmp_path / name / "in", Sources())
        code, said = ran(capsys, "series", given, "-m", models, *options)
        assert code == 0
        return said

    (row,) = json.loads(listed("PNG", "--json"))
    assert (row["description"], row["package"], row["rows"] > 0) == ("1.png", "radiograph", True)
    assert "2.png: DX: refused: expected a PNG or JPEG picture" in listed("PNG and a broken one")
    assert "unreadable: 2.png: expected DICOM alone" in listed("PNG beside a DX")


def test_the_picture_names_every_doubt(tmp_path: Path, models: Path) -> None:
    def margin(name: str) -> int:
        report_of(name, tmp_path / name, models)
        with Image.open(tmp_path / name / "out/preview.png") as picture:
            return picture.height

    assert margin("DX of the jaws") > margin("DX of the hand")


def test_outlines_are_exported_as_a_label_map_and_not_compared_as_volumes(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_of("DX of the hand", tmp_path / "dx", models)
    report_of("PNG", tmp_path / "png", models)
    seg, mask = tmp_path / "dx/out/segmentation.dcm", tmp_path / "png/out/mask.png"
    code, said = ran(capsys, "export", seg, "-o", tmp_path / "export")
    assert (code, sorted(each.name for each in (tmp_path / "export").iterdir())) == (
        0,
        ["bones_dseg.nii.gz", "bones_dseg.tsv"],
    )
    code, said = ran(capsys, "export", seg, "-o", tmp_path / "export", "--files", "stl")
    assert (code, "expected a CT for surfaces (stl), got a radiograph" in said) == (3, True)
    both = write_models(tmp_path / "both")
    for prediction in (seg, mask):
        code, said = ran(capsys, "evaluate", prediction, prediction, "-m", both)
        assert (code, "expected segments of a CT to compare, got those of a radiograph" in said) == (3, True)
    code, said = ran(capsys, "evaluate", seg, seg, "-m", models)
    assert (code, "expected a package of a CT's structures, got radiograph" in said) == (2, True)


def test_the_library_reads_a_folder_of_one_picture(tmp_path: Path, models: Path) -> None:
    one = write_input("PNG", tmp_path / "one", Sources())
    scan = osteon.read(one, models=models)
    result = osteon.segment(scan, models=models, operating_point=0.3)
    assert result.answer is not None
    assert result.answer.threshold == 0.3
    several = write_input("PNG in subfolders", tmp_path / "several", Sources())
    with pytest.raises(osteon.UsageError, match="expected one image, got 3"):
        osteon.read(several, models=models)
