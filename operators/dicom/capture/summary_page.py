"""Writes the one-page summary of a result, as a secondary capture and as an encapsulated PDF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian
from pydicom.valuerep import PersonName

from operators.dicom.capture.secondary_captures import secondary_capture
from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.elements.attributes import hint
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.identity import decode_texts
from operators.dicom.provenance.provenance import (
    NOT_FOR_DIAGNOSIS,
    PlainInstance,
    Provenance,
    ResultSeries,
    complete,
)
from operators.dicom.provenance.result_check import ResultName, checked, unlike
from operators.dicom.provenance.source_references import referenced_instances
from operators.dicom.sr.text_report import write_text_report
from operators.packages.joint import parts_of
from operators.packages.structures import Code
from operators.render.page.figures import page_sentences, page_table
from operators.render.page.fonts import is_drawable
from operators.render.page.layout import Page
from operators.render.page.pdf import page_as_pdf
from operators.render.page.raster import draw_page
from operators.render.page.sheet import Captioned, PageContent, lay_out
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import NOT_RULED_OUT, finder

# Between the report's and the pictures'
SUMMARY = ResultSeries("summary page", 9600, "summary")
PDF = ResultSeries("summary pdf", 9650, "summary PDF")
TITLE = Code("126000", "DCM", "Imaging Measurement Report")  # PS3.16 CID 7021, as of the report
NOTICE = "AI, NOT FOR DIAGNOSIS"
# Names and IDs in letters that the page cannot draw correctly; DICOM's header has them as they are
UNDRAWABLE = "in letters that this page cannot draw; see the header"
DATE_LENGTH = 8
# ISO 32000-1, 7.5.2 and 7.5.5
PDF_BEGINS, PDF_ENDS = b"%PDF-", b"%%EOF"


def write_summary(
    made: Segmentation, pictures: Sequence[Captioned], provenance: Provenance, path: Path
) -> Path:
    """Writes the page as a Secondary Capture Image (PS3.3 A.8.1); raises OutputError."""
    rgb = draw_page(summary_page(made, pictures, provenance))
    dataset = secondary_capture(rgb, provenance, SUMMARY, 1, [])
    dataset.ImageComments = f"Summary on one page. {NOT_FOR_DIAGNOSIS}."
    return write_dataset(path, dataset)


def write_pdf(made: Segmentation, pictures: Sequence[Captioned], provenance: Provenance, path: Path) -> Path:
    """Writes the page as an Encapsulated PDF (PS3.3 A.45.1); raises OutputError."""
    return write_dataset(path, make_pdf(summary_page(made, pictures, provenance), provenance))


# By kind of result; text has no pictures
PAGE_WRITERS: Mapping[str, Callable[[Segmentation, Sequence[Captioned], Provenance, Path], object]] = {
    "summary": write_summary,
    "pdf": write_pdf,
    "text": lambda made, _, provenance, path: write_text_report(made, provenance, path),
}


def summary_page(made: Segmentation, pictures: Sequence[Captioned], provenance: Provenance) -> Page:
    """Returns the page that both forms show."""
    header = decode_texts(provenance.series.header)
    number, title = hint((header,), "SeriesNumber"), provenance.package.title
    return lay_out(
        PageContent(
            NOTICE,
            f"{finder(made)}. For research.",
            f"{title[:1].upper()}{title[1:]}{f', series {number}' if number else ''}",
            identity_of(header),
            page_sentences(made),
            page_table(made),
            tuple(pictures),
            footer_of(provenance),
        )
    )


def identity_of(header: Dataset) -> tuple[tuple[str, str], ...]:
    """Returns what identifies patient and study, from a decoded header; '' where it says nothing."""
    text = partial(hint, (header,))
    return (
        ("Patient", patient_name(header)),
        ("Accession number", drawable(text("AccessionNumber"))),
        ("Patient ID", drawable(text("PatientID"))),
        ("Study date", day(text("StudyDate"))),
        ("Born", day(text("PatientBirthDate"))),
        ("Sex", drawable(text("PatientSex"))),
    )


def patient_name(header: Dataset) -> str:
    """Returns the first component group of the name that can be drawn (PS3.5 6.2.1): family name first."""
    name = header.get("PatientName")
    if not isinstance(name, PersonName):
        return ""
    groups = [str(each) for each in (name.alphabetic, name.ideographic, name.phonetic) if each]
    shown = [", ".join(filter(None, each.split("^"))) for each in groups if is_drawable(each)]
    return shown[0] if shown else drawable("=".join(groups))


def drawable(value: str) -> str:
    """Returns a value, or words in its place if it cannot be drawn: a part would be another value."""
    return value if is_drawable(value) else UNDRAWABLE


def day(text: str) -> str:
    """Returns a date of DICOM as in ISO 8601."""
    is_date = len(text) == DATE_LENGTH and text.isdigit()
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if is_date else drawable(text)


def footer_of(provenance: Provenance) -> tuple[str, ...]:
    """Returns versions, packages, time and source."""
    packages = ", ".join(f"{each.name} {each.version}" for each in parts_of(provenance.package))
    series, made_at = provenance.series, provenance.made_at.strftime("%Y-%m-%d %H:%M")
    replaced = f" It replaces version {provenance.revision - 1}." if provenance.revision > 1 else ""
    return (
        f"Osteon {provenance.software_version}; {packages}. Made {made_at} from {len(series.frames)} "
        f"image{'' if len(series.frames) == 1 else 's'} of series {series.series_instance_uid}.{replaced}",
        f"{NOT_FOR_DIAGNOSIS}. {NOT_RULED_OUT} All measurements are in the structured report.",
    )


def make_pdf(page: Page, provenance: Provenance) -> PlainInstance:
    """Builds the data set around the PDF, not yet written; the same input gives the same UIDs and bytes."""
    dataset = PlainInstance(
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        study_instance_uid=provenance.series.study_instance_uid,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **PDF.attributes(provenance),
    )
    complete(dataset, provenance)
    encapsulate(page_as_pdf(page), page.title, dataset)
    dataset.SourceInstanceSequence = referenced_instances(provenance.series)
    return dataset


def encapsulate(content: bytes, title: str, dataset: Dataset) -> None:
    """Adds the SC Equipment and Encapsulated Document modules (PS3.3 C.8.6.1, C.24.2)."""
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = f"{title}. {NOT_FOR_DIAGNOSIS}."
    dataset.ConceptNameCodeSequence = [concept(TITLE)]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    dataset.EncapsulatedDocumentLength = len(content)


def check_pdf(path: Path, series: Series) -> ResultName:
    """Raises OutputError if the PDF is incomplete or unreadable, or is of another patient or study."""
    try:
        dataset = dcmread(path)
        content = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
        complete = content.startswith(PDF_BEGINS) and content.rstrip().endswith(PDF_ENDS)
    except READ_ERRORS as error:
        raise unlike("a PDF that can be read back", "one that cannot") from error
    if not complete:
        raise unlike("a complete PDF", "a part of one")
    return checked(dataset, series)
