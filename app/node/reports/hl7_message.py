"""Writes a report as an HL7 v2.5.1 message ORU^R01 (HL7 2.5.1 chapter 7), in UTF-8."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from app.node.reports.content import FIRST, Figure, Part, ReportContent
from app.node.settings.peer import ReportTarget

# Chapter 2.5.3: separators of fields, components, repetitions; the escape; of subcomponents
DELIMITERS = "|^~\\&"
ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
SEGMENT_END = "\r"
VERSION, CHARACTER_SET = "2.5.1", "UNICODE UTF-8"
LONGEST_CONTROL_ID = 20
# LOINC: Diagnostic imaging study; Radiology study observation (narrative)
STUDY_CODE = ("18748-4", "Diagnostic imaging study", "LN")
NARRATIVE_CODE = ("18782-3", "Radiology Study observation (narrative)", "LN")
# PS3.16 annex D
STUDY_UID_CODE = ("113014", "DICOM Study", "DCM")
OWN_SCHEME = "99OSTEON"
# Tables 0085 and 0123: preliminary; posted as wrong; no result available
PRELIMINARY, WRONG, NO_RESULT = "P", "W", "X"


def hl7_message(content: ReportContent, target: ReportTarget, sender: str, now: datetime) -> str:
    """Returns the message; its control id is the same for each attempt to send the same report."""
    rows = [header(content, target, sender, now), patient(content), order(content), *observations(content)]
    return "".join(f"{row}{SEGMENT_END}" for row in rows)


def control_id(content: ReportContent) -> str:
    """Returns the id that an acknowledgement repeats (MSH-10)."""
    said = " ".join((content.job_id, str(content.is_withdrawn), *content.corrections))
    return hashlib.sha256(said.encode()).hexdigest()[:LONGEST_CONTROL_ID]


def header(content: ReportContent, target: ReportTarget, sender: str, now: datetime) -> str:
    """Returns MSH; without MSH-15 and MSH-16, so that the receiver acknowledges in the original mode."""
    fields = {
        3: plain("OSTEON"),
        4: plain(sender),
        5: plain(target.application),
        6: plain(target.facility),
        7: timestamp(now),
        9: "ORU^R01^ORU_R01",
        10: control_id(content),
        11: "P",
        12: VERSION,
        18: CHARACTER_SET,
    }
    # MSH-1 is the separator itself
    return segment(f"MSH|{DELIMITERS[1:]}", {number - 2: value for number, value in fields.items()})


def patient(content: ReportContent) -> str:
    """Returns PID with the patient as in the study."""
    who = content.identity
    family, given, middle, prefix, suffix = map(plain, who.name)
    identifier = components(plain(who.patient_id), "", "", plain(who.issuer), "MR" if who.patient_id else "")
    # Table 0200: unspecified, as a name is required
    name = components(family, given, middle, suffix, prefix) or f"{'^' * 6}U"
    fields = {1: "1", 3: identifier, 5: name, 7: plain(who.birth_date), 8: plain(who.sex)}
    return segment("PID", fields)


def order(content: ReportContent) -> str:
    """Returns OBR: the study, by its accession number if it has one, and the state of the result."""
    who = content.identity
    fields = {
        1: "1",
        3: plain(who.accession_number or content.uid()),
        4: coded(*STUDY_CODE),
        7: plain(f"{who.study_date}{who.study_time}"),
        18: plain(who.accession_number),
        22: timestamp(content.made_at),
        24: "RAD",
        25: NO_RESULT if content.is_withdrawn else PRELIMINARY,
    }
    return segment("OBR", fields)


def observations(content: ReportContent) -> Iterator[str]:
    """Yields OBX: the sentences, the UID of the study, then the figures of each part."""
    state = WRONG if content.is_withdrawn else PRELIMINARY
    rows = [("TX", coded(*NARRATIVE_CODE), "", plain(each), "") for each in content.sentences]
    rows.append(("ST", coded(*STUDY_UID_CODE), "", plain(content.identity.study_instance_uid), ""))
    if not content.is_withdrawn:
        rows += [row for place, part in enumerate(content.parts, 1) for row in of_part(place, part)]
    for number, (kind, code, place_of, value, unit) in enumerate(rows, 1):
        fields = {1: str(number), 2: kind, 3: code, 4: place_of, 5: value, 6: unit, 11: state}
        yield segment("OBX", fields)


Row = tuple[str, str, str, str, str]


def of_part(place: int, part: Part) -> Iterator[Row]:
    """Yields type, code, sub-ID, value and unit of what is said of a part: its name, then its figures."""
    yield "ST", coded("part", f"Part. {FIRST}", OWN_SCHEME), str(place), plain(part.label), ""
    for figure in part.figures:
        yield of_figure(place, figure)
        if figure.uncertainty is not None:
            name = coded(f"{figure.key}.uncertainty", f"{figure.name}, uncertainty", OWN_SCHEME)
            yield "NM", name, str(place), number(figure.uncertainty), units(figure)


def of_figure(place: int, figure: Figure) -> Row:
    """Returns the row of one figure."""
    code = coded(figure.key, figure.name, OWN_SCHEME)
    if isinstance(figure.value, str):
        return "ST", code, str(place), plain(figure.value), ""
    return "NM", code, str(place), number(figure.value), units(figure)


def units(figure: Figure) -> str:
    """Returns the unit as a coded element."""
    return coded(figure.unit, "", "UCUM") if figure.unit else ""


def number(value: float) -> str:
    """Returns a number without an exponent, which NM does not know (chapter 2.A.47)."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def segment(name: str, fields: dict[int, str]) -> str:
    """Returns a segment from its fields by number."""
    return "|".join([name, *(fields.get(place, "") for place in range(1, max(fields) + 1))])


def coded(code: str, meaning: str, scheme: str) -> str:
    """Returns a coded element."""
    return components(plain(code), plain(meaning), plain(scheme))


def components(*values: str) -> str:
    """Returns the components of a field, without empty ones at its end."""
    return "^".join(values).rstrip("^")


def plain(text: str) -> str:
    """Returns text in which nothing is taken for a separator or for the end of a segment (chapter 2.7)."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return "".join(ESCAPES.get(each, each) for each in printable)


def timestamp(at: datetime) -> str:
    """Returns a time with its zone."""
    return at.strftime("%Y%m%d%H%M%S%z")
