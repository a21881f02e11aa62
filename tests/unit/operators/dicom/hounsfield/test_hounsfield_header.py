"""Header evidence against Hounsfield units: each row of the table refuses or flags, and ranks."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.hounsfield.hounsfield_header import MAPS, OTHER_UNITS, RULES, RuleOutcome
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.dicom.select.reasons import REASONS
from operators.dicom.select.selection import Refusal, Selection, rank, select
from operators.errors import UnsuitableError
from operators.geometry.value_notes import VALUE_MEANINGS
from tests.support.dicom import phantoms
from tests.support.dicom.hounsfield_cases import body
from tests.support.dicom.reading_cases import only, setting
from tests.support.packages.synthetic_packages import made_package

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
PACKAGE = made_package()
# For what headers say alone
FEW_SLICES = range(8)


def bits(stored: int, slope: float, intercept: float) -> phantoms.Edit:
    """As `stored` bits with that slope and intercept."""

    def edit(dataset: Dataset, _: int) -> None:
        hu = np.frombuffer(dataset.PixelData, "<i2") - 1024.0
        values = np.clip(np.rint((hu - intercept) / slope), 0, 2**stored - 1)
        dataset.BitsAllocated = dataset.BitsStored = 8 if stored == 8 else 16
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored, stored - 1, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.PixelData = values.astype(f"<u{dataset.BitsAllocated // 8}").tobytes()

    return edit


def a_lut(dataset: Dataset, _: int) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2, 0, 16], "HU", b"\0\0\1\0"
    dataset.ModalityLUTSequence = [table]
    del dataset.RescaleSlope, dataset.RescaleIntercept


def selected(folder: Path) -> list[Selection | Refusal]:
    return list(select(scan(folder), [PACKAGE]))


REFUSED = {
    **{f"image type {word}": (setting(ImageType=["DERIVED", "SECONDARY", "AXIAL", word]), "derived_image")
       for word in sorted(MAPS)},
    "map as value 3": (setting(ImageType=["DERIVED", "SECONDARY", "VNC"]), "derived_image"),
    **{f"unit {unit}": (setting(RescaleType=unit), "rescale_type") for unit in OTHER_UNITS},
    "unit in small letters": (setting(RescaleType="mgml"), "rescale_type"),
    "table": (a_lut, "modality_lut"),
    "window in 8 bits": (bits(8, 1, 0), "windowed"),
    "fine window in 8 bits": (bits(8, 2.5, -200), "windowed"),
    "window in 9 bits of 16": (bits(9, 1, 0), "windowed"),
    "fractions of a unit": (setting(RescaleSlope=0.001), "windowed"),
}  # fmt: skip
FLAGGED = {
    "unit US": (setting(RescaleType="US"), "rescale_type"),
    "unit unknown": (setting(RescaleType="100ug/cc"), "rescale_type"),
    "8 bits in coarse steps": (bits(8, 16, -1024), "windowed"),
    "cone beam by description": (setting(SeriesDescription="Becken CBCT 0.5"), "cone_beam"),
    "cone beam by model": (setting(ManufacturerModelName="Cios Spin"), "cone_beam"),
    "negative slope": (bits(13, -1, 4000), "not_hounsfield"),
}
HOUNSFIELD = {
    "as it is": setting(),
    "unit HU": setting(RescaleType="HU"),
    "monoenergetic": setting(ImageType=["DERIVED", "SECONDARY", "AXIAL", "VMI"], RescaleType="HU"),
    "mixed image": setting(ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM7 SPI DUAL"]),
    "reformatted": setting(ImageType=["DERIVED", "SECONDARY", "MPR"]),
    "12 bits": bits(12, 1, -1024),
    "slope of 2": bits(11, 2, -1024),
    "model with CT in its name": setting(ManufacturerModelName="SOMATOM Definition AS+"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_quantity_is_refused(tmp_path: Path, case: str) -> None:
    edit, code = REFUSED[case]
    phantoms.write_ct(tmp_path, body(), AFFINE, edit=edit, keep=FEW_SLICES)
    (outcome,) = selected(tmp_path)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code
    assert outcome.code in REASONS
    assert outcome.text.startswith("expected ")


@pytest.mark.parametrize("case", FLAGGED)
def test_doubt_is_flagged_where_the_image_shows_hounsfield_units(tmp_path: Path, case: str) -> None:
    edit, code = FLAGGED[case]
    phantoms.write_ct(tmp_path, body(), AFFINE, edit=edit)
    (outcome,) = selected(tmp_path)
    assert isinstance(outcome, Selection)
    (note,) = read_volume(outcome.series).notes
    assert note.code == code
    assert note.code in VALUE_MEANINGS
    assert note.text in outcome.series.warnings


@pytest.mark.parametrize("case", HOUNSFIELD)
def test_hounsfield_units_are_not_doubted(tmp_path: Path, case: str) -> None:
    phantoms.write_ct(tmp_path, body(), AFFINE, edit=HOUNSFIELD[case])
    (outcome,) = selected(tmp_path)
    assert isinstance(outcome, Selection)
    assert (read_volume(outcome.series).notes, outcome.series.warnings) == ((), ())


def test_every_row_of_the_table_has_a_case() -> None:
    codes = {rule.code for rule in RULES if rule.outcome is RuleOutcome.REFUSED}
    assert codes == {code for _, code in REFUSED.values()}
    assert {rule.code for rule in RULES} - codes | {"windowed", "rescale_type"} == {
        code for _, code in FLAGGED.values()
    }
    assert all(rule.source for rule in RULES)


def test_a_unit_that_is_left_open_needs_an_image_that_shows_it(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, np.maximum(body(), 0) // 2, AFFINE, edit=setting(RescaleType="US"))
    with pytest.raises(UnsuitableError, match="RescaleType that does not name them") as refused:
        read_volume(only(scan(tmp_path)))
    assert refused.value.code == "rescale_type"


def test_other_modalities_have_no_hounsfield_units(tmp_path: Path) -> None:
    edit = setting(Modality="MR", RescaleType="US")
    phantoms.write_ct(tmp_path, body() + 1024, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert (series.warnings, read_volume(series).notes) == ((), ())
    (outcome,) = select(scan(tmp_path), [PACKAGE])
    assert isinstance(outcome, Refusal)
    assert outcome.code == "other_modality"


BETTER = {
    "before a cone beam CT": (setting(), setting(SeriesDescription="CBCT")),
    "before an unspecified unit": (setting(), setting(RescaleType="US")),
    "before a map by description": (setting(), setting(SeriesDescription="Iodine (Water)")),
    "reformatted before cone beam": (setting(ImageType=["DERIVED", "PRIMARY", "AXIAL"]),
                                     setting(SeriesDescription="CBCT")),
    "70 keV before 40": (setting(SeriesDescription="MonoE 70 keV"), setting(SeriesDescription="MonoE 40keV")),
    "75 keV by attribute": (setting(MonoenergeticEnergyEquivalent=75.0),
                            setting(MonoenergeticEnergyEquivalent=190.0)),
}  # fmt: skip


@pytest.mark.parametrize("case", BETTER)
def test_hounsfield_units_rank_first(tmp_path: Path, case: str) -> None:
    for number, edit in enumerate(reversed(BETTER[case]), 1):
        phantoms.write_ct(tmp_path / str(number), body(), AFFINE, edit=edit, series=number, keep=FEW_SLICES)
    worse, better = (only(scan(tmp_path / name)) for name in ("1", "2"))
    assert rank(better) < rank(worse)
    assert [
        each.series.series_instance_uid for each in selected(tmp_path) if isinstance(each, Selection)
    ] == [better.series_instance_uid]
