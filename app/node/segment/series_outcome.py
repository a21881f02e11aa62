"""What a worker tells the queue of a series: its verified results, or why there are none."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import structlog

from app.node.queue.findings import FRACTURE, Finding
from app.node.queue.job import Json
from app.run.folder import RunOutcome, write_summary
from app.run.output_folder import REPORT as REPORT_FILE
from app.run.record import SeriesRecord
from app.run.results import REPORT, RESULTS, SEG, Written
from app.run.series_job import Job
from app.run.series_results import EXIT_DONE
from operators.dicom.provenance.result_check import ResultName
from operators.errors import OutputError
from operators.results.attempts import missing_result
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import threshold_words

log = structlog.get_logger()


def verified_results(record: SeriesRecord, work: Job) -> Json:
    """Checks the written files; returns the SEG, the report and the pictures in sending order.

    A radiograph without an outlined fracture has no SEG; only its report and pictures are sent.
    """
    assert record.segmentation is not None
    series, name = work.selection.series, None
    files, missing = list[Json](), list(record.missing)
    if record.name(SEG) is None and record.segmentation.segments:
        sentence = "expected a SEG of the segments, got none"
        return without_result(record, "failed", "verification_failed", sentence)
    for kind, file in files_to_send(record):
        written = Written(work.output / file, record.segmentation, series, name)
        check = RESULTS[kind].check
        assert check is not None
        try:
            checked = check(written)
        except OutputError as error:
            log.error("verification_failed", series_instance_uid=record.series_instance_uid, kind=kind)
            if kind == SEG:
                return without_result(record, "failed", error.code, str(error))
            missing.append(missing_result(kind, error))
        else:
            name = checked if kind == SEG else name
            files.append(result_of(kind, file, work, checked))
    if not files:
        sentence = "; ".join(map(str, missing)) or "expected at least one result to send, got none"
        code = missing[0].code if missing else "verification_failed"
        return without_result(record, "failed", code, sentence)
    finding = finding_in(record.segmentation)
    return {
        "state": "segmented",
        "series_instance_uid": record.series_instance_uid,
        "files": files,
        "report": report_of_page(record, work),
        "missing": [{"code": each.code, "sentence": str(each)} for each in missing],
        "seconds": {stage.name: round(stage.seconds, 3) for stage in record.stages},
        **({"finding": asdict(finding)} if finding else {}),
    }


def files_to_send(record: SeriesRecord) -> list[tuple[str, str]]:
    """Returns kind and name of each result that may be sent, in sending order: the SEG first."""
    kinds = [kind for kind, row in RESULTS.items() if row.is_sent]
    return [(kind, name) for kind in kinds for name in record.names.get(kind, ())]


def without_result(record: SeriesRecord, state: str, code: str, sentence: str) -> Json:
    """Returns the outcome of a series that was refused or failed."""
    return {
        "state": state,
        "series_instance_uid": record.series_instance_uid,
        "code": code,
        "sentence": sentence,
    }


def report_of_page(record: SeriesRecord, work: Job) -> str:
    """Returns the report that the node's page shows: what a receiver of reports gets, else one of its own,
    which is numbered as the other results are.
    """
    name = record.name(REPORT)
    if name is None:
        name = f"{work.folder}report-{work.number + 1}.json" if work.number else f"{work.folder}{REPORT_FILE}"
        write_summary(RunOutcome((record,), EXIT_DONE, work.output), work.made_at, [], name)
    return name


def finding_in(made: Segmentation) -> Finding | None:
    """Returns the verdict on a radiograph, or a fracture if any bone of a CT is in fragments; else None.

    The absence of fragments in a CT does not rule out a fracture.
    """
    if made.answer is not None:
        answer = made.answer
        return Finding(answer.verdict.name.lower(), answer.probability, threshold_words(answer))
    broken = [segment for segment in made.segments if segment.fragment is not None]
    known = [each.fracture_probability for each in broken if each.fracture_probability is not None]
    return Finding(FRACTURE, max(known, default=None)) if broken else None


def result_of(kind: str, file: str, work: Job, name: ResultName) -> Json:
    """Returns the record of a verified file in the output folder, for sending."""
    return {"kind": kind, "file": file, "sha256": sha256_of(work.output / file), **asdict(name)}


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, which the sender compares before sending."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
