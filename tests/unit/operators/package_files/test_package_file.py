"""Packages are read whole or refused with what was wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.errors import ModelError
from operators.package_files.package_reader import read_coarse_to_fine_package, read_package, read_packages
from operators.packages.confidence import LIKELY, Confidence
from tests.support.packages.synthetic_packages import package_text

SHIPPED = Path(__file__).parents[4] / "models"


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "package.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_packages_are_read() -> None:
    packages = {package.name: package for package in read_packages(SHIPPED)}
    assert {path.parent.name for path in SHIPPED.glob("*/package.toml")} == set(packages)
    labels = packages["pelvis"].labels
    assert [(label.first_value, label.last_value) for label in labels] == [(1, 10), (11, 20), (21, 30)]
    assert [label.structure.side for label in labels] == [None, "left", "right"]
    assert [spec.name for spec in packages["pelvis"].networks] == ["coarse", "fine", "fracture"]


def test_the_weights_lie_in_the_packages_folder(tmp_path: Path) -> None:
    package = read_coarse_to_fine_package(written(tmp_path / "bones", package_text()))
    assert package.fine.weights == tmp_path / "bones" / "fine.safetensors"
    assert package.fine.spacing_mm == (2.0, 2.0, 2.0)
    assert package.fine.dimensions == 3


def test_a_package_without_a_calibration_is_read_as_one_without(tmp_path: Path) -> None:
    plain = read_coarse_to_fine_package(written(tmp_path / "plain", package_text()))
    assert plain.confidence == Confidence()
    told = package_text() + '\n[confidence]\nfracture = [0.5, 1.5]\nfitted_on = "a test"\n'
    sure = read_coarse_to_fine_package(written(tmp_path / "sure", told))
    assert sure.confidence == Confidence(fracture=(0.5, 1.5), fitted_on="a test")


BROKEN = {
    "a calibration of one number": (
        "[fragments]",
        "[confidence]\nbone = [1.0]\n[fragments]",
        "confidence.bone: expected a constant and a factor",
    ),
    "a calibration that falls": (
        "[fragments]",
        "[confidence]\nbone = [1.0, -1.0]\n[fragments]",
        "confidence.bone: expected a constant and a factor",
    ),
    "no toml at all": ("[accepts]", "[accepts", "package.toml"),
    "a missing table": ("[accepts]", "[excepts]", "accepts"),
    "a missing text": ('title = "made-up bones"\n', "", "title"),
    "a text of another type": (
        'version = "1.2.3"',
        "version = 1.2",
        "version: expected a text, got 1.2",
    ),
    "an unknown key": ("minimum_slices = 2", "minimum_slices = 2\nmaximum_slices = 9", "maximum_slices"),
    "an unknown key at the top": ('name = "bones"', 'name = "bones"\ncolour = "red"', "colour"),
    "an unknown measurement": (
        'name = "bones"',
        'name = "bones"\nmeasurements = ["gap", "beauty"]',
        "measurements: expected one of .*displacement.*gap.*, got 'beauty'",
    ),
    "a missing key": ("minimum_slices = 2\n", "", "minimum_slices"),
    "a number that is a text": (
        "minimum_slices = 2",
        'minimum_slices = "two"',
        "accepts.minimum_slices: expected a whole number, got 'two'",
    ),
    "a list that is a text": ('["TRUNK"]', '"TRUNK"', "accepts.body_parts"),
    "a missing network": ("[networks.fracture]", "[networks.fragment]", "fragment"),
    "a network without weights": ('weights = "fine.safetensors"\n', "", "weights"),
    "a patch of two sides": ("patch = [16, 16, 16]", "patch = [16, 16]", "networks.coarse.*patch"),
    "a spacing of nothing": ("[4.0, 4.0, 4.0]", "[0.0, 4.0, 4.0]", "networks.coarse.*spacing_mm"),
    "a window upside down": ("[-1000.0, 1000.0]", "[1000.0, -1000.0]", "networks.coarse.window_hu"),
    "a guide of classes that there are not": (
        'weights = "fine.safetensors"',
        'weights = "fine.safetensors"\nguide = ["skull"]',
        "networks.fine.guide: expected classes of coarse",
    ),
    "a guide without inputs for it": (
        "arguments = { dimensions = 3, outputs = 3",
        'guide = ["middle"]\narguments = { dimensions = 3, inputs = 1, outputs = 3',
        "networks.fine: expected one input",
    ),
    "a decision without all its factors": (
        "fracture_logit = [-4.0, 10.0, 0.0, 0.0]",
        "fracture_logit = [-4.0, 10.0]",
        "fragments.fracture_logit: expected 4 entries, got 2",
    ),
    "fewer outputs than classes": ("outputs = 4", "outputs = 3", "networks.coarse.*outputs"),
    "other fracture classes": ('"interior", "contact"', '"contact", "interior"', "networks.fracture.classes"),
    "a joint of a class that there is not": (
        'name = "bones"',
        'name = "bones"\nball_joints = [{ head = "ear", socket = "middle", radius_mm = [1.0, 2.0], '
        "gap_hidden_mm = 3.0 }]",
        "ball_joints: expected classes of fine",
    ),
    "a joint with radii upside down": (
        'name = "bones"',
        'name = "bones"\nball_joints = [{ head = "middle", socket = "middle", radius_mm = [2.0, 1.0], '
        "gap_hidden_mm = 3.0 }]",
        "ball_joints: .*rising radii",
    ),
    "operating points without one": (
        'name = "bones"',
        'name = "bones"\nconfidence.operating_points = { specific = 0.6 }',
        "confidence.operating_points: expected sensitive, balanced, specific",
    ),
    "an unknown strategy": ("watershed_and_merge", "coin_toss", "fragments.strategy.*coin_toss"),
    "values that overlap": ("first_value = 11", "first_value = 10", "labels.side_left"),
    "values upside down": ("last_value = 30", "last_value = 20", "labels.side_right"),
    "values beyond a byte": ("last_value = 30", "last_value = 300", "labels.side_right"),
    "the value of the background": ("first_value = 1\n", "first_value = 0\n", "labels.middle"),
    "a class that the fine network lacks": (
        'fine_class = "middle"',
        'fine_class = "ear"',
        "labels.middle.*ear",
    ),
    "a class that the coarse network lacks": ('coarse_class = "middle"', 'coarse_class = "ear"', "ear"),
    "a side that is neither": ("7771000", "51440002", "labels.side_left.laterality"),
    "a code without its scheme": (', scheme = "SCT", meaning = "Left"', ', meaning = "Left"', "scheme"),
    "a code that is a text": (
        '{ value = "7771000", scheme = "SCT", meaning = "Left" }',
        '"left"',
        "labels.side_left.laterality: expected a table",
    ),
    "a label's number that is a text": (
        "minimum_ml = 1.0",
        'minimum_ml = "some"',
        "labels.middle.minimum_ml",
    ),
    "labels that are no list": ("[[labels]]", "[labels]", "."),
}


BROKEN_STRUCTURES = {
    "no toml at all": ("[scaphoid", "structures.toml, could not read it"),
    "an unknown key": (
        '[scaphoid]\nmeaning = "Scaphoid"\nsize = 3\ntype = { value = "1", scheme = "SCT", meaning = "a" }',
        "structures.toml, could not read it: scaphoid.*size: expected a known key, got an unknown one",
    ),
    "a missing code": (
        '[scaphoid]\nmeaning = "Scaphoid"',
        "scaphoid.type: expected a value, but the key is missing",
    ),
}


@pytest.mark.parametrize("what", BROKEN_STRUCTURES)
def test_a_broken_list_of_structures_is_named(tmp_path: Path, what: str) -> None:
    text, named = BROKEN_STRUCTURES[what]
    path = written(tmp_path / "bones", package_text())
    (tmp_path / "structures.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=named) as error:
        read_package(path)
    assert error.value.code == "package_unreadable"


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_package_is_refused_with_what_was_wrong(tmp_path: Path, what: str) -> None:
    right, wrong, named = BROKEN[what]
    text = package_text()
    assert right in text
    path = written(tmp_path / "bones", text.replace(right, wrong, 1))
    with pytest.raises(ModelError, match=named) as error:
        read_package(path)
    assert "bones/package.toml" in str(error.value)
    assert error.value.code == "package_unreadable"


def test_labels_in_one_table_are_refused(tmp_path: Path) -> None:
    head, _, _ = package_text().partition("[[labels]]")
    path = written(tmp_path / "bones", head + '[labels]\nname = "middle"\n')
    with pytest.raises(ModelError, match="labels: expected a list"):
        read_package(path)


def test_a_missing_package_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere/package\.toml"):
        read_package(tmp_path / "nowhere" / "package.toml")


def test_a_folder_without_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        read_packages(tmp_path)
    assert error.value.code == "no_packages"


def test_packages_are_read_by_name(tmp_path: Path) -> None:
    for name in ("wrist", "ankle"):
        written(tmp_path / name, package_text().replace('name = "bones"', f'name = "{name}"', 1))
    assert [package.name for package in read_packages(tmp_path)] == ["ankle", "wrist"]


def test_a_package_of_ct_is_specific_unless_another_point_is_asked_for() -> None:
    package = read_coarse_to_fine_package(SHIPPED / "pelvis" / "package.toml")
    assert package.at("auto") == package
    assert package.least_probability > package.at("sensitive").least_probability == LIKELY
    assert package.options != package.at("0.9").options
