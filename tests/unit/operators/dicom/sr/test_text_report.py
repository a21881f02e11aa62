"""The report in words is a valid SR of the source's patient, and says what the summary page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedSRStorage

from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import check_result
from operators.dicom.sr.text_report import in_columns, write_text_report
from operators.errors import OutputError
from operators.measure.measuring import measure_segments
from operators.render.page.figures import page_sentences
from operators.render.page.sheet import Table
from operators.segmentation.segmentation import Flag, Segmentation
from operators.segmentation.summary import NOTICE
from tests.support.dicom.seg_cases import (
    blobs,
    bone,
    grid,
    header,
    multi_frame,
    provenance,
    segmentation,
    series,
)
from tests.support.dicom.validator import errors_in, verdict
from tests.support.radiographs import radiograph_result_cases as radiographs

BROKEN = replace(
    measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))),
    flags=(Flag("metal", "Hip, left: 0.4 ml of metal.", (11, 12)),),
)
INTACT = segmentation(blobs(), grid(), bone(11), replace(bone(12), bone="other"))


def written(made: Segmentation, source: Series, folder: Path, revision: int = 1) -> Dataset:
    """As it is read back, once dciodvfy has found no error."""
    path = folder / "text.dcm"
    write_text_report(made, provenance(made, source, revision=revision), path)
    return valid(path)


def valid(path: Path) -> Dataset:
    assert verdict(path).startswith("EnhancedSR")
    assert errors_in(path) == []
    return dcmread(path)


def texts(report: Dataset) -> dict[str, str]:
    """The text of each section."""
    sections = [item for item in report.ContentSequence if item.ValueType == "CONTAINER"]
    return {
        section.ConceptNameCodeSequence[0].CodeMeaning: section.ContentSequence[0].TextValue
        for section in sections
    }


def test_it_says_in_words_what_the_summary_page_says(tmp_path: Path) -> None:
    found = texts(written(BROKEN, series(grid()), tmp_path))
    lines = found["Summary"].splitlines()
    assert tuple(lines) == (NOTICE, *page_sentences(BROKEN))
    head, whole, first, second, *note = found["Findings"].splitlines()
    assert whole.startswith("Hip, left: 2 fragments")
    assert first.startswith("  Fragment 1")
    assert [line.index("ml") > head.index("Volume") for line in (whole, first, second)] == [True] * 3
    assert second.index("not measurable") == head.index("Rotation")
    assert note[-1] == "Step-off is not measured."


def test_it_is_one_of_the_patient_unverified_and_names_the_images(tmp_path: Path) -> None:
    report = written(BROKEN, series(grid(), header(SeriesNumber=4)), tmp_path, revision=2)
    assert report.SOPClassUID == EnhancedSRStorage
    assert (report.PatientID, report.AccessionNumber) == ("P1", "A1")
    assert report.SeriesDescription == "AI Bones text report, series 4, replaces v1 (not for diagnosis)"
    assert (report.SeriesNumber, report.VerificationFlag, report.PreliminaryFlag) == (
        9551,
        "UNVERIFIED",
        "PRELIMINARY",
    )
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert sum(len(each.ReferencedSOPSequence) for each in study.ReferencedSeriesSequence) == 7
    (template,) = report.ContentTemplateSequence
    assert template.TemplateIdentifier == "2000"
    content = highdicom.sr.EnhancedSR.from_dataset(report).content
    assert [item.ValueType for item in content[0].ContentSequence][-2:] == ["CONTAINER", "CONTAINER"]


def test_bones_without_a_fracture_have_no_table(tmp_path: Path) -> None:
    found = texts(written(INTACT, multi_frame(grid()), tmp_path))
    assert list(found) == ["Summary"]
    assert "No fracture found in" in found["Summary"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_radiograph_has_its_answer_and_a_row_for_each_finding(tmp_path: Path, count: int) -> None:
    made = radiographs.made(count)
    path = write_text_report(made, radiographs.provenance(made), tmp_path / "text.dcm")
    found = texts(valid(path))
    assert "Body part" in found["Summary"]
    assert len(found.get("Findings", "").splitlines()) == (count + 1 if count else 0)


def test_the_same_input_gives_the_same_bytes_and_another_patient_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "text.dcm"
    written(BROKEN, series(grid()), tmp_path)
    before = path.read_bytes()
    written(BROKEN, series(grid()), tmp_path)
    assert path.read_bytes() == before
    check_result(path, series(grid()))
    with pytest.raises(OutputError, match="PatientID"):
        check_result(path, replace(series(grid()), header=header(PatientID="P2")))


def test_columns_begin_at_the_same_place() -> None:
    table = Table(("Name", "Size"), (0.5, 0.5), (("a", "1"), ("longer", "22")), note="One. Two.")
    assert in_columns(table) == "Name    Size\na       1\nlonger  22\nOne.\nTwo."
