"""Which radiographs a package reads, and why it does not read the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.read.scan import scan
from operators.dicom.select.reasons import REASONS
from operators.dicom.select.selection import Outcome, Refusal, Selection, candidates, rank, select
from operators.packages.packages import Acceptance, ModelPackage, NetworkSpec
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.packages.structures import Code
from tests.support.dicom import phantoms
from tests.support.radiographs.projection_files import CR, DX, DX_RAW, SC, UID_ROOT, picture, radiograph, save
from tests.unit.operators.dicom.select.test_selection import AFFINE, HU
from tests.unit.operators.dicom.select.test_selection import package as ct_package


def package(modalities: tuple[str, ...] = ("DX", "CR", "RG", "OT")) -> ModelPackage:
    """A package of radiographs without weights."""
    network = NetworkSpec(
        "none", "none", {}, Path("none"), "", (1.0, 1.0), (8, 8), (0.0, 1.0), ("background",)
    )
    return RadiographPackage(
        name="radiographs",
        version="1",
        title="radiographs",
        algorithm_name="radiographs",
        accepts=Acceptance(modalities, (DX, DX_RAW, CR, SC), (), 1, 0.0, 0.0, 0.0),
        labels=(),
        folder=Path("none"),
        folds=(network,),
        decision=RadiographDecision((0.0, 1.0), (0.0, 1.0), 0.5, 0.5, 1, {}, 0.1, 1.0),
        attributes=("hand", "frontal"),
        body_parts={"hand": Code("85562004", "SCT", "Hand")},
        views=("frontal",),
    )


def outcomes(folder: Path, *packages: ModelPackage) -> tuple[Outcome, ...]:
    found = select(scan(folder), packages or (package(),))
    assert all(each.code in REASONS for each in found if isinstance(each, Refusal))
    return found


def refusal(folder: Path, dataset: Dataset, *packages: ModelPackage) -> Refusal:
    save(dataset, folder / "1.dcm")
    (outcome,) = outcomes(folder, *packages)
    assert isinstance(outcome, Refusal)
    assert outcome.text.startswith("expected ")
    return outcome


def is_read(folder: Path, dataset: Dataset) -> bool:
    save(dataset, folder / "1.dcm")
    (outcome,) = outcomes(folder)
    return isinstance(outcome, Selection)


@pytest.mark.parametrize(
    "attributes", [{}, {"SOPClassUID": CR, "Modality": "CR"}, {"ImageType": ["DERIVED", "PRIMARY", ""]}]
)
def test_a_radiograph_is_read(tmp_path: Path, attributes: dict[str, Any]) -> None:
    assert is_read(tmp_path, radiograph(**attributes))


def test_values_of_a_detector_are_read_where_there_is_nothing_else(tmp_path: Path) -> None:
    assert is_read(tmp_path, radiograph(SOPClassUID=DX_RAW, PresentationIntentType="FOR PROCESSING"))


@pytest.mark.parametrize(
    ("attributes", "code", "word"),
    [
        ({"Modality": "MG"}, "other_modality", "mammography"),
        ({"Modality": "IO"}, "other_modality", "intra-oral"),
        ({"Modality": "PX"}, "other_modality", "jaws"),
        ({"Modality": "RF"}, "other_modality", "fluoroscopy"),
        ({"Modality": "XA"}, "other_modality", "angiography"),
        ({"Modality": "US"}, "other_modality", "US"),
        ({"Modality": "MG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2"}, "other_modality", "mammography"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1"}, "not_a_projection", "DX"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, "other_sop_class", "7.2"),
        ({"ImageType": ["DERIVED", "PRIMARY", "SCREEN SAVE"]}, "not_a_radiograph", "SCREEN SAVE"),
        ({"DerivationDescription": "Bone suppression"}, "not_a_radiograph", "DerivationDescription"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour_image", "palette"),
        ({"StudyInstanceUID": ""}, "missing_uid", "StudyInstanceUID"),
    ],
)
def test_what_is_no_radiograph_is_refused_with_a_reason(
    tmp_path: Path, attributes: dict[str, Any], code: str, word: str
) -> None:
    found = refusal(tmp_path, radiograph(**attributes))
    assert (found.code, word in found.text) == (code, True)


def test_frames_and_sizes_are_refused_with_a_reason(tmp_path: Path) -> None:
    frames = radiograph(np.concatenate([picture()] * 2), NumberOfFrames=2)
    frames.Rows //= 2
    assert refusal(tmp_path / "frames", frames).code == "multi_frame"
    assert refusal(tmp_path / "small", radiograph(picture(12, (32, 80)))).code == "image_size"


@pytest.mark.parametrize(
    ("attributes", "taken"),
    [
        ({"Modality": "CR", "ConversionType": "DF"}, True),
        ({"Modality": "DX", "ConversionType": "DI"}, True),
        ({"Modality": "RG", "ConversionType": "SI"}, True),
        ({"Modality": "DX"}, True),
        ({"Modality": "DX", "ConversionType": "WSD"}, False),
        ({"Modality": "DX", "ConversionType": "SD"}, False),
        ({"Modality": "OT", "ConversionType": "DF"}, True),
        ({"Modality": "OT", "ConversionType": "DF", "BodyPartExamined": ""}, False),
        ({"Modality": "OT", "ConversionType": "DI"}, False),
        ({"Modality": "OT", "ConversionType": "WSD"}, False),
        ({"Modality": "OT"}, False),
    ],
)
def test_a_secondary_capture_must_say_that_it_is_a_radiograph(
    tmp_path: Path, attributes: dict[str, Any], taken: bool
) -> None:
    dataset = radiograph(SOPClassUID=SC, bits=8, **attributes)
    if taken:
        assert is_read(tmp_path, dataset)
    else:
        assert refusal(tmp_path, dataset).code == "not_a_radiograph"


def reference(uid: str) -> list[Dataset]:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = DX, uid
    return [item]


def test_a_picture_of_another_image_is_no_radiograph(tmp_path: Path) -> None:
    dataset = radiograph(SOPClassUID=SC, ConversionType="DF", SourceImageSequence=reference("1.2"))
    assert refusal(tmp_path, dataset).code == "not_a_radiograph"


def test_each_view_is_read_and_none_stands_for_another(tmp_path: Path) -> None:
    for number in range(1, 4):
        save(radiograph(number=number), tmp_path / f"{number}.dcm")
    save(radiograph(series=2), tmp_path / "4.dcm")
    found = outcomes(tmp_path)
    assert [type(each) for each in found] == [Selection] * 4
    assert [each.better for each in candidates(found)] == [()] * 4
    assert len({rank(each.series) for each in found}) == 4


EVENT: dict[str, Any] = {"IrradiationEventUID": f"{UID_ROOT}.99"}
RAW: dict[str, Any] = {"SOPClassUID": DX_RAW, "PresentationIntentType": "FOR PROCESSING", "series": 2}


@pytest.mark.parametrize(
    ("shown", "raw"),
    [
        (EVENT, EVENT),
        ({"SourceImageSequence": reference(f"{UID_ROOT}.1.2.1")}, {}),
        ({}, {"SourceImageSequence": reference(f"{UID_ROOT}.1.1.1")}),
    ],
)
def test_of_one_exposure_the_image_for_presentation_is_read(
    tmp_path: Path, shown: dict[str, Any], raw: dict[str, Any]
) -> None:
    save(radiograph(**shown), tmp_path / "1.dcm")
    save(radiograph(**raw, **RAW), tmp_path / "2.dcm")
    first, second = outcomes(tmp_path)
    assert isinstance(first, Selection)
    assert isinstance(second, Refusal)
    assert (second.code, f"{UID_ROOT}.1.1" in second.text) == ("other_presentation", True)


@pytest.mark.parametrize(("shown", "raw"), [({}, {}), (EVENT, {}), (EVENT, {"IrradiationEventUID": "1.2"})])
def test_exposures_that_nothing_relates_are_both_read(
    tmp_path: Path, shown: dict[str, Any], raw: dict[str, Any]
) -> None:
    save(radiograph(**shown), tmp_path / "1.dcm")
    save(radiograph(**raw, **RAW), tmp_path / "2.dcm")
    assert [type(each) for each in outcomes(tmp_path)] == [Selection, Selection]


def test_an_image_for_presentation_that_cannot_be_read_is_no_better_one(tmp_path: Path) -> None:
    save(radiograph(PhotometricInterpretation="PALETTE COLOR", **EVENT), tmp_path / "1.dcm")
    save(radiograph(**EVENT, **RAW), tmp_path / "2.dcm")
    assert [type(each) for each in outcomes(tmp_path)] == [Refusal, Selection]


def test_ct_and_radiographs_go_to_their_own_packages(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    save(radiograph(), tmp_path / "1.dcm")
    found = outcomes(tmp_path, ct_package(), package())
    assert [each.package.name for each in found if isinstance(each, Selection)] == ["trunk", "radiographs"]


def test_a_package_of_ct_refuses_radiographs_as_before(tmp_path: Path) -> None:
    save(radiograph(), tmp_path / "1.dcm")
    save(radiograph(series=2, SOPClassUID=SC, Modality="CT"), tmp_path / "2.dcm")
    found = outcomes(tmp_path, ct_package())
    codes = [each.code for each in found if isinstance(each, Refusal)]
    assert codes == ["other_modality", "other_sop_class"]


def test_a_modality_that_another_package_reads_is_not_expected_of_this_one(tmp_path: Path) -> None:
    found = refusal(tmp_path, radiograph(SOPClassUID=SC, Modality="CT"), ct_package(), package())
    assert "expected modality DX or CR or RG or OT, got CT" in found.text


def test_a_package_of_radiographs_refuses_ct(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    (outcome,) = outcomes(tmp_path)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "not_a_projection"
    phantoms.write_ct(tmp_path, HU, AFFINE, keep=range(3), series=2)
    closest = [each.code for each in outcomes(tmp_path, package(), ct_package()) if isinstance(each, Refusal)]
    assert closest == ["too_few_slices"]
