"""Writes a report as a FHIR R4 transaction: a DiagnosticReport, and an Observation for each part.

Every resource is written by a conditional update of its identifier, so that a repeated transaction changes
nothing. Patient, order and study are named by their identifiers, as only the server knows its own ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.node.reports.content import FIRST, Figure, Part, ReportContent

Json = dict[str, Any]
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
# Of the coding schemes in DICOM, those with a URI that FHIR states (terminologies-systems)
SYSTEMS = {"SCT": SNOMED, "DCM": DICOM, "LN": LOINC, "UCUM": UCUM}
URI, DICOM_UID = "urn:ietf:rfc:3986", "urn:dicom:uid"
V2 = "http://terminology.hl7.org/CodeSystem/v2"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
STUDY_CODE = {"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}
PRELIMINARY, WITHDRAWN = "preliminary", "entered-in-error"
GENDERS = {"M": "male", "F": "female", "O": "other"}


def fhir_bundle(content: ReportContent) -> Json:
    """Returns the transaction."""
    entries = [entry("DiagnosticReport", content.uid(), diagnostic_report(content))]
    entries += [
        entry("Observation", content.uid(part.number), observation(content, part)) for part in content.parts
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def entry(kind: str, uid: str, resource: Json) -> Json:
    """Returns the entry that writes one resource, whether it is there already or not."""
    request = {"method": "PUT", "url": f"{kind}?identifier={URI}|urn:uuid:{uid}"}
    return {"fullUrl": f"urn:uuid:{uid}", "resource": resource, "request": request}


def diagnostic_report(content: ReportContent) -> Json:
    """Returns the report with the sentences as its conclusion, and the patient as in the study."""
    who = content.identity
    report = {
        **common("DiagnosticReport", content, content.uid()),
        "contained": [patient(content)],
        "category": [{"coding": [{"system": f"{V2}-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": {"coding": [STUDY_CODE], "text": f"{FIRST}: {who.description or STUDY_CODE['display']}"},
        "subject": {"reference": "#patient", **subject(content)},
        "issued": content.made_at.isoformat(timespec="seconds"),
        "performer": [{"display": content.software}],
        "imagingStudy": [{"identifier": {"system": DICOM_UID, "value": f"urn:oid:{who.study_instance_uid}"}}],
        "conclusion": "\n".join(content.sentences),
    }
    results = [{"reference": f"urn:uuid:{content.uid(part.number)}"} for part in content.parts]
    order = {"type": coding(f"{V2}-0203", "ACSN", "Accession ID"), "value": who.accession_number}
    return (
        report
        | ({"result": results} if results else {})
        | ({"basedOn": [{"identifier": order}]} if who.accession_number else {})
    )


def observation(content: ReportContent, part: Part) -> Json:
    """Returns what is said of one part: its figures as components."""
    made = {
        **common("Observation", content, content.uid(part.number)),
        "category": [coding(CATEGORY, "imaging", "Imaging")],
        "code": {"coding": [STUDY_CODE], "text": f"{FIRST}: {part.label}"},
        "subject": subject(content),
        "issued": content.made_at.isoformat(timespec="seconds"),
        "performer": [{"display": content.software}],
        "component": list(components(part)),
    }
    site = site_of(part)
    return made | ({"bodySite": site} if site else {})


def common(kind: str, content: ReportContent, uid: str) -> Json:
    """Returns what all resources have: type, identifier, status, and the day of the study."""
    resource: Json = {
        "resourceType": kind,
        "identifier": [{"system": URI, "value": f"urn:uuid:{uid}"}],
        "status": WITHDRAWN if content.is_withdrawn else PRELIMINARY,
    }
    day = date(content.identity.study_date)
    return resource | ({"effectiveDateTime": day} if day else {})


def patient(content: ReportContent) -> Json:
    """Returns the patient as in the study, within the report."""
    who = content.identity
    family, given, middle, prefix, suffix = who.name
    parts = {
        "family": family,
        "given": [each for each in (given, middle) if each],
        "prefix": [prefix] if prefix else [],
        "suffix": [suffix] if suffix else [],
    }
    name = {key: value for key, value in parts.items() if value}
    said = {
        "identifier": [identifier_of(content)] if who.patient_id else [],
        "name": [name] if name else [],
        "gender": GENDERS.get(who.sex),
        "birthDate": date(who.birth_date),
    }
    return {"resourceType": "Patient", "id": "patient"} | {key: value for key, value in said.items() if value}


def subject(content: ReportContent) -> Json:
    """Returns the reference to the patient by identifier."""
    who = content.identity
    display = " ".join(each for each in (*who.name[1:3], who.name[0]) if each)
    named = {"display": display} if display else {}
    return named | (
        {"identifier": identifier_of(content)} if who.patient_id else named or {"display": "unknown"}
    )


def identifier_of(content: ReportContent) -> Json:
    """Returns the patient's identifier, with its issuer by name, as DICOM gives no system."""
    who = content.identity
    issuer = {"assigner": {"display": who.issuer}} if who.issuer else {}
    return {"type": coding(f"{V2}-0203", "MR", "Medical record number"), "value": who.patient_id, **issuer}


def components(part: Part) -> Iterator[Json]:
    """Yields a component for each figure, and one for its error."""
    for figure in part.figures:
        yield {"code": {"text": figure.name}, **value_of(figure)}
        if figure.uncertainty is not None:
            error = Figure(figure.key, figure.uncertainty, figure.unit)
            yield {"code": {"text": f"{figure.name}, uncertainty"}, **value_of(error)}


def value_of(figure: Figure) -> Json:
    """Returns the value of a component."""
    if isinstance(figure.value, str):
        return {"valueString": figure.value}
    unit = figure.unit or "1"
    return {"valueQuantity": {"value": figure.value, "unit": unit, "system": UCUM, "code": unit}}


def site_of(part: Part) -> Json:
    """Returns the bone, with its side in words."""
    if part.region is None:
        return {}
    side = f", {part.laterality['meaning'].lower()}" if part.laterality else ""
    found = {"text": f"{part.region['meaning']}{side}"}
    system = SYSTEMS.get(part.region["scheme"])
    return found | (coding(system, part.region["value"], part.region["meaning"]) if system else {})


def coding(system: str, code: str, display: str) -> Json:
    """Returns a concept of one code."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def date(text: str) -> str:
    """Returns a date of DICOM as one of FHIR, '' if it is none."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else ""
