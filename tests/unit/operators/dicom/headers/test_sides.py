"""The side of the body: one for the answer and every result, none where the header contradicts itself."""

import pytest
from pydicom.dataset import Dataset

from operators.dicom.headers.anatomy import laterality, side_notes
from operators.dicom.provenance.identity import side_of


def header(image: str, series: str) -> Dataset:
    dataset = Dataset()
    dataset.ImageLaterality, dataset.Laterality = image, series
    return dataset


@pytest.mark.parametrize(
    ("image", "series", "side", "written", "doubts"),
    [
        ("L", "", "left", "L", 0),
        ("", "R", "right", "R", 0),
        ("L", "L", "left", "L", 0),
        ("L", "R", "", "", 1),
        ("B", "L", "", "", 1),
        # Laterality may be R or L only
        ("B", "", "both", "", 0),
        ("U", "", "", "", 0),
        ("", "U", "", "", 0),
        ("", "", "", "", 0),
    ],
)
def test_a_side_is_one_or_none(image: str, series: str, side: str, written: str, doubts: int) -> None:
    sources = (header(image, series),)
    assert (laterality(sources), side_of(sources[0]), len(side_notes(sources))) == (side, written, doubts)
