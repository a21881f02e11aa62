"""The summary page as secondary capture and PDF: valid, of the source's patient, stable, and complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.capture.secondary_captures import check_picture
from operators.dicom.capture.summary_page import (
    PAGE_WRITERS,
    UNDRAWABLE,
    check_pdf,
    identity_of,
    patient_name,
    summary_page,
    write_pdf,
)
from operators.dicom.headers.series import Series
from operators.dicom.provenance.identity import decode_texts
from operators.errors import OutputError
from operators.render.page.layout import Text
from operators.render.page.sheet import Captioned
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
from tests.unit.operators.dicom.seg.test_seg_identity import stored

MADE = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))
PICTURES = (Captioned(np.full((40, 30, 3), 90, np.uint8), "slice 3"),)


def written(kind: str, folder: Path, source: Series, revision: int = 1) -> Dataset:
    """As it is read back, once dciodvfy has found no error."""
    path = folder / f"{kind}.dcm"
    PAGE_WRITERS[kind](MADE, PICTURES, provenance(MADE, source, revision=revision), path)
    assert verdict(path).startswith(("SCImage", "EncapsulatedPDF", "EnhancedSR"))
    assert errors_in(path) == []
    return dcmread(path)


def said(source: Series) -> str:
    page = summary_page(MADE, PICTURES, provenance(MADE, source))
    return "\n".join(item.text for item in page.items if isinstance(item, Text))


def test_both_forms_say_that_ai_made_them_and_have_uids_of_their_own(tmp_path: Path) -> None:
    picture, document = (written(kind, tmp_path, series(grid()), revision=2) for kind in ("summary", "pdf"))
    assert picture.SeriesDescription == "AI Bones and fragments summary, replaces v1 (not for diagnosis)"
    assert document.SeriesDescription == "AI Bones and summary PDF, replaces v1 (not for diagnosis)"
    for each in (picture, document):
        assert (each.PatientID, each.AccessionNumber, each.BurnedInAnnotation) == ("P1", "A1", "YES")
        assert each.ContentQualification == "RESEARCH"
    assert (picture.SeriesNumber, document.SeriesNumber) == (9601, 9651)
    assert picture.SeriesInstanceUID != document.SeriesInstanceUID
    assert picture.pixel_array.shape == (1754, 1240, 3)


def test_the_pdf_is_whole_and_names_the_images_that_it_was_made_from(tmp_path: Path) -> None:
    document = written("pdf", tmp_path, series(grid()))
    content = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert len(document.SourceInstanceSequence) == 7
    assert len(written("pdf", tmp_path, multi_frame(grid())).SourceInstanceSequence) == 1
    assert document.VerificationFlag == "UNVERIFIED"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for kind in PAGE_WRITERS:
        written(kind, tmp_path, series(grid()))
        before = (tmp_path / f"{kind}.dcm").read_bytes()
        written(kind, tmp_path, series(grid()))
        assert (tmp_path / f"{kind}.dcm").read_bytes() == before


def test_the_page_identifies_patient_and_study_and_what_made_it() -> None:
    text = said(series(grid(), header(SeriesNumber=4)))
    identity = ("Doe, Jane", "P1", "1970-01-02", "A1", "2026-01-02")
    for words in (*identity, "Osteon 0.1.0; bones 1.2.0", "series 4"):
        assert words in text
    assert text.startswith("AI, NOT FOR DIAGNOSIS")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Müller^Jörg", "Müller, Jörg"),
        ("Люкceмбypг", "Люкceмбypг"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("山田^太郎", UNDRAWABLE),
        ("قباني^لنزار", UNDRAWABLE),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Hong, Gildong"),
        (None, ""),
    ],
)
def test_a_name_is_shown_in_letters_that_can_be_drawn_or_not_at_all(
    tmp_path: Path, name: str | None, shown: str
) -> None:
    given = header(SpecificCharacterSet="ISO_IR 192", PatientName=name)
    assert patient_name(decode_texts(stored(tmp_path, given))) == shown


def test_missing_or_odd_values_are_shown_as_they_are(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"PatientBirthDate": None, "AccessionNumber": None, "PatientID": "患者-1"}
    given = header(SpecificCharacterSet="ISO_IR 192", **changes)
    found = dict(identity_of(decode_texts(stored(tmp_path, given))))
    assert (found["Born"], found["Accession number"], found["Patient ID"]) == ("", "", UNDRAWABLE)


def test_a_page_of_another_patient_or_without_its_end_never_leaves(tmp_path: Path) -> None:
    document = written("pdf", tmp_path, series(grid()))
    path, other = tmp_path / "pdf.dcm", replace(series(grid()), header=header(PatientID="P2"))
    assert check_pdf(path, series(grid())).sop_instance_uid == document.SOPInstanceUID
    with pytest.raises(OutputError, match="PatientID"):
        check_pdf(path, other)
    written("summary", tmp_path, series(grid()))
    with pytest.raises(OutputError, match="PatientID"):
        check_picture(tmp_path / "summary.dcm", other)
    document.EncapsulatedDocument = document.EncapsulatedDocument[:-400]
    document.save_as(path)
    with pytest.raises(OutputError, match="complete PDF"):
        check_pdf(path, series(grid()))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(OutputError):
        check_pdf(path, series(grid()))


def test_a_page_that_cannot_be_written_leaves_no_part_of_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError):
        write_pdf(MADE, PICTURES, provenance(MADE, series(grid())), tmp_path / "file" / "pdf.dcm")
