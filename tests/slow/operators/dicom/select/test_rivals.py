"""A rival is read by its networks where only the pixels of the better series show what is wrong with it."""

from pathlib import Path

from pydicom.dataset import Dataset

from app.run.folder import run_folder
from app.run.stage_clock import silent
from app.settings import Settings
from tests.support.dicom import phantoms
from tests.support.dicom.hounsfield_cases import FAULTS, body
from tests.support.dicom.reading_cases import setting
from tests.support.dicom.seg_cases import MADE_AT
from tests.support.packages.synthetic_packages import write_package
from tests.unit.operators.dicom.pixels.test_hounsfield_reading import stored_as


def test_values_that_are_no_hounsfield_units_hide_no_good_series(tmp_path: Path) -> None:
    """Only its image shows that the better series is inverted."""
    affine = phantoms.axial_affine((3.0, 3.0, 3.0))
    inverted = stored_as(FAULTS["inverted"][0], "<i2", RescaleIntercept=0)

    def better(dataset: Dataset, k: int) -> None:
        inverted(dataset, k)
        dataset.SliceThickness = 2

    phantoms.write_ct(tmp_path / "in", body(), affine, series=1, edit=better)
    phantoms.write_ct(tmp_path / "in", body(), affine, series=2, edit=setting(SliceThickness=3))
    write_package(tmp_path / "models" / "bones", sees_bone=True)
    settings = Settings(models=tmp_path / "models")
    outcome = run_folder(tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent)
    codes = {record.series_instance_uid.split(".")[-1]: record.code for record in outcome.series}
    assert codes == {"1": "not_hounsfield", "2": "selected"}
    assert outcome.exit_code == 0
