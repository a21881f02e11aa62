"""Writes a report in words, for readers that show the text of an SR but not its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from highdicom.sr import (
    ContainerContentItem,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    LanguageOfContentItemAndDescendants,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.provenance import LONG_STRING, Provenance, ResultSeries, device_uid
from operators.dicom.sr.report_writer import assemble_report, source_evidence
from operators.packages.structures import Code
from operators.render.page.figures import page_sentences, page_table
from operators.render.page.sheet import Table
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import NOTICE

# Between the summary page's and the report's. Enhanced SR (PS3.3 A.35.2): the simplest that highdicom writes
SERIES = ResultSeries("text report", 9550, "text report")
TEMPLATE = "2000"
# PS3.16 CID 7000; CID 7001, whose headings LOINC has; CID 7002
TITLE = Code("11528-7", "LN", "Radiology Report")
SUMMARY, FINDINGS = Code("55112-7", "LN", "Summary"), Code("59776-5", "LN", "Findings")
# A finding keeps its columns in viewers, a summary is broken into lines
FINDING = Code("121071", "DCM", "Finding")
ENGLISH = Code("en", "RFC5646", "English")
CONTAINS = RelationshipTypeValues.CONTAINS


def write_text_report(made: Segmentation, provenance: Provenance, path: Path) -> Path:
    """Writes an Enhanced SR (TID 2000) with the sentences and the table of the summary page.

    Raises OutputError.
    """
    content, evidence = text_content(made, provenance), source_evidence(provenance)
    dataset = assemble_report(EnhancedSR, SERIES, content, evidence, provenance)
    return write_dataset(path, dataset)


def text_content(made: Segmentation, provenance: Provenance) -> ContainerContentItem:
    """Returns the content: language and observer, the summary, and the table of fractures if there is one."""
    table = page_table(made)
    sentences = (NOTICE, *page_sentences(made))
    root = ContainerContentItem(concept(TITLE), is_content_continuous=False, template_id=TEMPLATE)
    root.ContentSequence = Items(
        [
            *LanguageOfContentItemAndDescendants(concept(ENGLISH)),
            *observer(provenance),
            section(SUMMARY, SUMMARY, "\n".join(sentences), is_continuous=True),
            *([section(FINDINGS, FINDING, in_columns(table), is_continuous=False)] if table else []),
        ]
    )
    return root


def observer(provenance: Provenance) -> ObservationContext:
    """Returns the algorithm as observing device, with what people ask for: the header has the rest."""
    package = provenance.package
    device = DeviceObserverIdentifyingAttributes(device_uid(package), package.algorithm_name[:LONG_STRING])
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def section(heading: Code, name: Code, text: str, *, is_continuous: bool) -> ContainerContentItem:
    """Returns a section with one text, to which viewers add the text's name unless it is continuous."""
    made = ContainerContentItem(concept(heading), is_continuous, relationship_type=CONTAINS)
    made.ContentSequence = Items([TextContentItem(concept(name), text, CONTAINS)])
    return made


def in_columns(table: Table) -> str:
    """Returns a table as lines of text whose columns begin at the same place; rows below a marked one are
    indented.
    """
    rows = [
        row if number in table.marked or not table.marked else (f"  {row[0]}", *row[1:])
        for number, row in enumerate(table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(table.head, *rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (table.head, *rows))
    return "\n".join((*lines, *note_lines(table.note)))


def note_lines(note: str) -> Sequence[str]:
    """Returns a line for each sentence of a note, as long lines are not broken beside columns."""
    return [f"{each.rstrip('.')}." for each in note.split(". ")] if note else ()
