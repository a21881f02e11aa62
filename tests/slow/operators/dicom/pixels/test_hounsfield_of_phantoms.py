"""A phantom's CT whose values are not Hounsfield units is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dicom.hounsfield_cases import FAULTS, phantom
from tests.unit.operators.dicom.pixels.test_hounsfield_reading import NO_HU, refused, stored_as, written


@pytest.mark.parametrize("fault", NO_HU)
def test_what_is_not_hounsfield_units_is_refused(tmp_path: Path, fault: str) -> None:
    edit = stored_as(FAULTS[fault][0], "<i2", RescaleIntercept=0)
    assert refused(written(tmp_path, edit, phantom())).code == NO_HU[fault]
