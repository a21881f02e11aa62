"""Reports as HL7 v2 and FHIR R4: valid for other parsers, complete, and spoiled by no value of a study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message

from app.node.queue.job import job_folder
from app.node.reports.content import FIRST, ReportContent, figures_in, read_content
from app.node.reports.fhir_bundle import fhir_bundle
from app.node.reports.hl7_message import control_id, hl7_message, number
from operators.dicom.headers.study_identity import study_identity
from operators.errors import OutputError
from tests.support.node.report_cases import AT, HARD, JOB, MADE, STUDY, receiver, reported_job

RIS = receiver(hl7="mllp://127.0.0.1:1", application="RIS", facility="HOSP").report


def content_of(
    data: Path, *, is_withdrawn: bool = False, revision: int = 1, series: int = 1, **patient: str
) -> ReportContent:
    files = reported_job(data, revision, series, **patient)
    folder = job_folder(data, JOB)
    paths = [folder.output / each["file"] for each in files]
    return read_content(paths, JOB, study_identity(folder.input), is_withdrawn)


def message_of(content: ReportContent) -> str:
    assert RIS is not None
    return hl7_message(content, RIS, "OSTEON", AT)


def parsed(content: ReportContent) -> Message:
    """The message as hl7apy reads it, which refuses what HL7 2.5.1 does not know."""
    found = parse_message(message_of(content), validation_level=VALIDATION_LEVEL.STRICT)
    found.validate()
    return found


def observations(message: Message) -> list[Any]:
    result = message.ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION
    return [each.obx for each in result.ORU_R01_OBSERVATION]


def plain(text: str) -> str:
    """A value without its escapes."""
    for escape, each in {"\\F\\": "|", "\\S\\": "^", "\\R\\": "~", "\\T\\": "&", "\\E\\": "\\"}.items():
        text = text.replace(escape, each)
    return text


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> ReportContent:
    return content_of(tmp_path_factory.mktemp("data"))


def test_an_hl7_message_names_patient_and_order_as_in_the_study(content: ReportContent) -> None:
    message = parsed(content)
    assert message.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
    assert message.msh.msh_5.to_er7() == "RIS"
    assert message.msh.msh_10.to_er7() == control_id(content)
    who = message.ORU_R01_PATIENT_RESULT.ORU_R01_PATIENT.pid
    # DICOM: prefix before suffix; HL7: suffix before prefix
    assert [plain(part) for part in who.pid_5.to_er7().split("^")] == [HARD, "Jörg", "Karl", "jun.", "Dr."]
    assert (who.pid_7.to_er7(), who.pid_8.to_er7()) == ("19500102", "M")
    assert [plain(part) for part in who.pid_3.to_er7().split("^")] == ["PAT&1", "", "", "HOSP", "MR"]
    order = message.ORU_R01_PATIENT_RESULT.ORU_R01_ORDER_OBSERVATION.obr
    assert plain(order.obr_18.to_er7()) == plain(order.obr_3.to_er7()) == "ACC|7"
    assert (order.obr_7.to_er7(), order.obr_25.to_er7()) == ("20260304050607", "P")


def test_an_hl7_message_begins_with_ai_and_holds_every_sentence_and_figure(content: ReportContent) -> None:
    rows = observations(parsed(content))
    assert rows[0].obx_5.to_er7() == f"{FIRST}."
    assert {row.obx_11.to_er7() for row in rows} == {"P"}
    said = [plain(row.obx_5.to_er7()) for row in rows if row.obx_2.to_er7() == "TX"]
    assert said == list(content.sentences)
    assert any("2 fragments" in sentence for sentence in said)
    (uid,) = (row for row in rows if row.obx_3.obx_3_1.to_er7() == "113014")
    assert uid.obx_5.to_er7() == STUDY
    found = {
        (row.obx_4.to_er7(), plain(row.obx_3.obx_3_1.to_er7())): (row.obx_5.to_er7(), row.obx_6.to_er7())
        for row in rows
    }
    (row, _) = MADE.measurements
    assert found["1", "measurements.volume_mm3"] == (number(round(row.volume_mm3.value, 3)), "mm3^^UCUM")
    assert found["1", "measurements.gap.greatest_mm"][1] == "mm^^UCUM"
    assert found["2", "part"][0] == MADE.segments[1].label


def test_a_fhir_transaction_is_valid_and_says_the_same(content: ReportContent) -> None:
    bundle = fhir_bundle(content)
    # R4B: these resources are as in R4 (4.0.1)
    Bundle.model_validate(json.loads(json.dumps(bundle)))
    report, *parts = (entry["resource"] for entry in bundle["entry"])
    assert {each["status"] for each in (report, *parts)} == {"preliminary"}
    assert report["conclusion"].split("\n") == list(content.sentences)
    assert all(each["code"]["text"].startswith(FIRST) for each in (report, *parts))
    who = report["contained"][0]
    assert who["identifier"][0]["value"] == "PAT&1"
    assert who["identifier"][0]["assigner"] == {"display": "HOSP"}
    assert (who["gender"], who["birthDate"]) == ("male", "1950-01-02")
    assert report["subject"]["identifier"]["value"] == "PAT&1"
    assert report["basedOn"][0]["identifier"]["value"] == "ACC|7"
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{STUDY}"
    assert report["effectiveDateTime"] == "2026-03-04"
    linked = {each["reference"] for each in report["result"]}
    assert linked == {entry["fullUrl"] for entry in bundle["entry"][1:]}
    assert len(parts) == len(MADE.segments) == 2
    volumes = [
        each["valueQuantity"]
        for each in parts[0]["component"]
        if each["code"]["text"] == "measurements volume"
    ]
    assert (volumes[0]["code"], volumes[0]["value"]) == (
        "mm3",
        round(MADE.measurements[0].volume_mm3.value, 3),
    )


def test_figures_are_those_of_report_json_with_their_units() -> None:
    found = list(
        figures_in(
            {
                "volume_ml": 1.5,
                "region": {"value": "1", "scheme": "SCT", "meaning": "Hip"},
                "measurements": {"gap": {"mean_mm": 2.0}, "area_mm2": {"value": 3.0, "uncertainty": 0.5}},
                "whole_bone": {"head": {"centre_lps": [1, 2, 3]}, "angle": {"not_measurable": "too short"}},
                "side_unknown": True,
                "confidence": 0.9,
            }
        )
    )
    assert [(each.name, each.value, each.unit, each.uncertainty) for each in found] == [
        ("volume", 1.5, "mL", None),
        ("measurements gap mean", 2.0, "mm", None),
        ("measurements area", 3.0, "mm2", 0.5),
        ("whole bone angle not measurable", "too short", "", None),
        ("confidence", 0.9, "", None),
    ]


@pytest.mark.parametrize("value", [0.0, 1e-9, 123456789.25, 12.5, 3])
def test_numbers_have_no_exponent(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, abs=1e-6)
    assert "e" not in number(value)


def cases(folder: Path) -> Iterator[ReportContent]:
    yield content_of(folder / "nameless", PatientName="", AccessionNumber="")
    yield content_of(folder / "several", series=2)
    yield content_of(folder / "bad", PatientBirthDate="1950", PatientSex="", StudyDate="")
    yield content_of(folder / "lines", PatientID="a\r\nOBX|1|TX|x||Fracture", PatientName="山田^太郎")
    yield content_of(folder / "several-values", PatientID="a\\b", PatientName="a\\b^c=d")


def test_studies_that_say_little_or_lie_make_valid_messages(tmp_path: Path) -> None:
    for content in cases(tmp_path):
        Bundle.model_validate(json.loads(json.dumps(fhir_bundle(content))))
        rows = observations(parsed(content))
        assert rows[0].obx_5.to_er7() == f"{FIRST}."
        assert message_of(content).count("\rOBX|") == len(rows)


def test_several_series_are_one_report_in_which_each_is_named(tmp_path: Path) -> None:
    content = content_of(tmp_path, series=2, revision=2)
    assert len(content.parts) == len({part.number for part in content.parts}) == 4
    assert sum(sentence.startswith("Series ") for sentence in content.sentences) == 2
    assert content.sentences[1].startswith("Version 2 of the results")


def test_the_same_job_has_the_same_identifiers_and_a_withdrawal_says_so(tmp_path: Path) -> None:
    content = content_of(tmp_path / "a")
    gone = content_of(tmp_path / "b", is_withdrawn=True)
    first, last = fhir_bundle(content), fhir_bundle(gone)
    assert [entry["request"] for entry in first["entry"]] == [entry["request"] for entry in last["entry"]]
    assert {entry["resource"]["status"] for entry in last["entry"]} == {"entered-in-error"}
    assert control_id(content) != control_id(gone)
    rows = observations(parsed(gone))
    assert {row.obx_11.to_er7() for row in rows} == {"W"}
    assert "withdrawn" in rows[1].obx_5.to_er7()
    Bundle.model_validate(json.loads(json.dumps(last)))


def test_a_corrected_report_is_a_message_of_its_own_about_the_same_report(tmp_path: Path) -> None:
    before = content_of(tmp_path)
    path = job_folder(tmp_path, JOB).output / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["series"][0]["correction"] = "1.2.3"
    path.write_text(json.dumps(report), encoding="utf-8")
    after = read_content([path], JOB, study_identity(job_folder(tmp_path, JOB).input), False)
    assert after.sentences[1] == "Corrected by a person; this replaces the results before."
    assert control_id(after) != control_id(before)
    assert after.uid() == before.uid()


def test_a_report_of_another_study_or_a_spoiled_one_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="another's"):
        content_of(tmp_path / "other", StudyInstanceUID="1.2.3")
    path = tmp_path / "report.json"
    for text in ("", "[]", '{"series": [{}]}', '{"series": []}'):
        path.write_text(text)
        with pytest.raises(OutputError, match="readable report"):
            read_content([path], JOB, study_identity(job_folder(tmp_path / "other", JOB).input), False)
    with pytest.raises(OutputError, match="images of the study"):
        study_identity(tmp_path / "none")
