"""Which series a package reads, and why it does not read the others."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.dicom.read.scan import scan
from operators.dicom.select.reasons import REASONS
from operators.dicom.select.selection import Outcome, Refusal, Reserve, Selection, select
from operators.errors import UsageError
from operators.packages.coarse_to_fine import CoarseToFinePackage, FragmentRules
from operators.packages.packages import Acceptance, ModelPackage, NetworkSpec
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting

SHAPE = (8, 6, 10)
AFFINE = phantoms.axial_affine(spacing_mm=(4.0, 4.0, 3.0))
HU = phantoms.position_volume(SHAPE, AFFINE)
DATA = Path(__file__).parents[6] / "shared" / "data" / "dicom"


def package(
    name: str = "trunk", body_parts: tuple[str, ...] = ("PELVIS", "HIP"), **limits: Any
) -> ModelPackage:
    """A package without weights; the limits are those of a small phantom."""
    defaults: dict[str, Any] = {
        "minimum_slices": 5,
        "minimum_extent_mm": 10.0,
        "maximum_slice_spacing_mm": 5.0,
        "maximum_pixel_spacing_mm": 5.0,
    }
    sop_classes = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
    accepts = Acceptance(
        modalities=("CT",), sop_class_uids=sop_classes, body_parts=body_parts, **{**defaults, **limits}
    )
    network = NetworkSpec(
        "none", "none", {}, Path("none"), "", (1.0, 1.0, 1.0), (8, 8, 8), (0.0, 1.0), ("background",)
    )
    return CoarseToFinePackage(
        name=name,
        version="1",
        title=name,
        algorithm_name=name,
        accepts=accepts,
        coarse=network,
        fine=network,
        fracture=network,
        labels=(),
        fragments=FragmentRules("components", 0.0, 0.5, (0.5,)),
        folder=Path("none"),
    )


def outcomes(folder: Path, *packages: ModelPackage, name: str | None = None) -> tuple[Outcome, ...]:
    return select(scan(folder), packages or (package(),), name)


def refusal(folder: Path, *packages: ModelPackage) -> Refusal:
    (outcome,) = outcomes(folder, *packages)
    assert isinstance(outcome, Refusal)
    assert outcome.code in REASONS
    return outcome


def chosen(folder: Path, *packages: ModelPackage) -> list[str]:
    return [
        each.series.series_instance_uid for each in outcomes(folder, *packages) if isinstance(each, Selection)
    ]


def test_a_suitable_series_is_chosen(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    (outcome,) = outcomes(tmp_path)
    assert isinstance(outcome, Selection)
    assert outcome.package.name == "trunk"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"Modality": "MR"}, "other_modality"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "other_sop_class"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "derived_image"),
        ({"PhotometricInterpretation": "RGB"}, "bad_photometric_interpretation"),
        ({"StudyInstanceUID": ""}, "missing_uid"),
        ({"FrameOfReferenceUID": ""}, "no_frame_of_reference"),
        ({"PixelSpacing": [9, 9]}, "pixels_too_large"),
    ],
)
def test_an_unsuitable_series_is_refused_with_a_reason(
    tmp_path: Path, attributes: dict[str, object], code: str
) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=setting(**attributes))
    outcome = refusal(tmp_path)
    assert outcome.code == code
    assert outcome.text.startswith("expected ")


@pytest.mark.parametrize(("keep", "code"), [(range(1), "one_slice"), (range(3), "too_few_slices")])
def test_too_few_slices_are_refused(tmp_path: Path, keep: range, code: str) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, keep=keep)
    assert refusal(tmp_path).code == code


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"maximum_slice_spacing_mm": 2.5}, "slices_too_far_apart"),
        ({"minimum_extent_mm": 40.0}, "extent_too_small"),
    ],
)
def test_the_packages_own_limits_hold(tmp_path: Path, limits: dict[str, Any], code: str) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    assert refusal(tmp_path, package(**limits)).code == code


@pytest.mark.parametrize(
    "body_part", ["", "PELVIS", "ABDOMENPELVIS", "WHOLEBODY", "PARTIALBODY", "SOMETHING", "COLON", "HEAD"]
)
def test_a_series_is_read_whatever_body_part_it_names(tmp_path: Path, body_part: str) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=setting(BodyPartExamined=body_part))
    assert len(chosen(tmp_path)) == 1


@pytest.mark.parametrize("attributes", [{"SeriesDescription": "CT Neck 1.0"}, {"BodyPartExamined": "COLON"}])
def test_a_series_that_names_another_region_only_ranks_lower(
    tmp_path: Path, attributes: dict[str, object]
) -> None:
    better = {"SliceThickness": 1, "ConvolutionKernel": "Br64"}
    phantoms.write_ct(tmp_path, HU, AFFINE, series=1, edit=setting(**attributes, **better))
    phantoms.write_ct(tmp_path, HU, AFFINE, series=2)
    found = outcomes(tmp_path, package(), package("throat", ("NECK",)))
    first, second = (each for each in found if each.package and each.package.name == "trunk")
    assert isinstance(first, Reserve)
    assert isinstance(second, Selection)


def test_a_series_that_names_no_package_goes_to_all(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    both = outcomes(tmp_path, package(), package("throat", ("NECK",)))
    assert [each.package.name for each in both if isinstance(each, Selection)] == ["trunk", "throat"]


def test_a_package_can_be_asked_for_by_name(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    (outcome,) = outcomes(tmp_path, package(), package("throat", ("NECK",)), name="throat")
    assert isinstance(outcome, Selection)
    assert outcome.package.name == "throat"
    with pytest.raises(UsageError, match="expected a package of trunk, got throat"):
        outcomes(tmp_path, name="throat")


def test_the_thinner_series_of_a_study_is_chosen_and_the_other_told_which(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, series=1)
    thin = phantoms.axial_affine(spacing_mm=(4.0, 4.0, 1.5))
    phantoms.write_ct(
        tmp_path, phantoms.position_volume((8, 6, 20), thin), thin, series=2, edit=setting(SliceThickness=1.5)
    )
    thick, best = outcomes(tmp_path)
    assert isinstance(best, Selection)
    assert isinstance(thick, Refusal)
    assert thick.code == "another_series_chosen"
    assert best.series.series_instance_uid in thick.text


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, {}),
        ({"SliceThickness": 5}, {"SliceThickness": 3}),
        ({"ConvolutionKernel": "Br38f"}, {"ConvolutionKernel": ["Br64f", "3"]}),
        ({"ConvolutionKernel": "STANDARD"}, {"ConvolutionKernel": "BONEPLUS"}),
        ({"ConvolutionKernel": "FC18"}, {"ConvolutionKernel": "FC30"}),
    ],
)
def test_ranking_prefers_the_better_series(
    tmp_path: Path, worse: dict[str, object], better: dict[str, object]
) -> None:
    first = phantoms.write_ct(tmp_path, HU, AFFINE, series=1, edit=setting(**worse))
    phantoms.write_ct(tmp_path, HU, AFFINE, series=2, edit=setting(**better))
    assert len(first) == 10
    assert chosen(tmp_path) == [f"{phantoms.UID_ROOT}.1.2"]


def test_axial_slices_are_preferred_to_coronal_ones(tmp_path: Path) -> None:
    coronal = np.array([[4.0, 0, 0, -9], [0, 0, 3.0, -7], [0, -4.0, 0, 30], [0, 0, 0, 1]])
    phantoms.write_ct(tmp_path, phantoms.position_volume(SHAPE, coronal), coronal, series=1)
    phantoms.write_ct(tmp_path, HU, AFFINE, series=2)
    assert chosen(tmp_path) == [f"{phantoms.UID_ROOT}.1.2"]


def test_coronal_slices_alone_are_read(tmp_path: Path) -> None:
    coronal = np.array([[4.0, 0, 0, 0], [0, 0, 3.0, 0], [0, -4.0, 0, 0], [0, 0, 0, 1]])
    phantoms.write_ct(tmp_path, phantoms.position_volume(SHAPE, coronal), coronal)
    assert len(chosen(tmp_path)) == 1


@pytest.mark.parametrize(
    ("parts", "count"), [(("", ""), 1), (("PELVIS", "PELVIS"), 1), (("PELVIS", "HIP"), 2)]
)
def test_two_frames_of_reference_give_two_results_only_for_two_regions(
    tmp_path: Path, parts: tuple[str, str], count: int
) -> None:
    for series, part in enumerate(parts, 1):
        edit = setting(FrameOfReferenceUID=f"1.2.{series}", BodyPartExamined=part)
        phantoms.write_ct(tmp_path, HU, AFFINE, series=series, edit=edit)
    assert len(chosen(tmp_path)) == count


def test_each_study_has_its_own_choice(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "a", HU, AFFINE, study=1)
    phantoms.write_ct(tmp_path / "b", HU, AFFINE, study=2)
    assert len(chosen(tmp_path)) == 2


def test_the_choice_rests_on_no_file_name_and_no_order(tmp_path: Path) -> None:
    paths = [
        path
        for series, kernel in enumerate(("Br38", "Br64", "Br64", "H20"), 1)
        for path in phantoms.write_ct(
            tmp_path / "first", HU, AFFINE, series=series, edit=setting(ConvolutionKernel=kernel)
        )
    ]
    expected = chosen(tmp_path / "first")
    for seed in range(3):
        shuffled = tmp_path / str(seed)
        names = random.Random(seed).sample(range(1000), len(paths))
        for path, name in zip(paths, names, strict=True):
            (shuffled / str(name % 3)).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, shuffled / str(name % 3) / f"{name}")
        assert chosen(shuffled) == expected == [f"{phantoms.UID_ROOT}.1.2"]


def test_every_series_has_an_outcome_without_any_package(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    (outcome,) = select(scan(tmp_path), ())
    assert isinstance(outcome, Refusal)
    assert outcome.code == "no_package"


@pytest.mark.real_data
def test_real_scans_are_refused_for_what_they_are_not_for_what_they_say() -> None:
    codes = [each.code for each in outcomes(DATA, package()) if isinstance(each, Refusal)]
    assert codes.count("other_modality") == 3
    assert (codes.count("one_slice"), codes.count("one_position")) == (1, 1)
    assert codes.count("missing_uid") == 1
