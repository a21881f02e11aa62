"""The outcomes of a job's steps, and what they make of the study."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from app.library_messages import defect_values
from app.node.queue.job import Json
from operators.dicom.select.reading_order import read_in_turn
from operators.errors import (
    DEFECT,
    OsteonError,
    OutputError,
    TransientError,
    UnsuitableError,
    as_osteon_error,
)

log = structlog.get_logger()


def read_all(plan: Json, segment: Callable[[list[int]], Json]) -> list[Json]:
    """Returns the outcomes of all series that were read, then of those that a better one made unnecessary."""
    # Plans of earlier versions have no candidates, or do not name their series
    candidates = plan.get("candidates") or [{"better": []}] * plan["selected"]
    outcomes: list[Json] = []

    def read(group: list[int]) -> dict[int, bool]:
        outcomes.append(outcome := segment(group))
        found = outcome.get("found", group)
        return {each: outcome["state"] != "refused" and each in found for each in group}

    series = [candidate.get("series", number) for number, candidate in enumerate(candidates)]
    passed = read_in_turn(series, [candidate["better"] for candidate in candidates], read)
    return outcomes + [skipped(candidates[each], candidates[best]) for each, best in passed.items()]


def skipped(candidate: Json, best: Json) -> Json:
    """Returns the outcome of a series that was not read because a better one shows the same."""
    return {"state": "refused", "series_instance_uid": candidate["series_instance_uid"], **best["rivals"]}


def name_failure(job: Json, step: Callable[[], Json]) -> Json:
    """Runs a step and turns every error into an outcome."""
    try:
        return step()
    except Exception as error:
        known = as_osteon_error(error)
        if known is not None:
            return outcome_of_error(known)
        log.error("study_failed", job=job["job_id"], **defect_values(error))
        return {"state": "failed", "code": OsteonError.code, "sentence": DEFECT}


def outcome_of_error(error: OsteonError) -> Json:
    """Returns the outcome for an error: refused if unsuitable, transient if it may pass, otherwise failed."""
    families: tuple[tuple[type[OsteonError], str], ...] = (
        (UnsuitableError, "refused"),
        (TransientError, "transient"),
        (OutputError, "transient"),
        (OsteonError, "failed"),
    )
    state = next(name for family, name in families if isinstance(error, family))
    return {"state": state, "code": error.code, "sentence": str(error)}


def summarise_outcomes(series: list[Json]) -> Json:
    """Returns a study's outcome: segmented if any series is, with the missing results, else the worst one."""
    if any(each["state"] == "segmented" for each in series):
        missing = [result for each in series for result in each.get("missing", ())]
        sentence = "; ".join(dict.fromkeys(result["sentence"] for result in missing))
        code = missing[0]["code"] if missing else ""
        return {"state": "segmented", "code": code, "sentence": sentence, "series": series}
    worst = next((each for each in series if each["state"] == "failed"), series[0])
    return {key: worst[key] for key in ("state", "code", "sentence")} | {"series": series}
