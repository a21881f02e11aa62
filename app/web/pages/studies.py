"""The list of all studies, with filter, search and paging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.node.queue.jobs.job_search import GROUPS, search
from app.node.studies.receiving import receiving
from app.web.access import Viewer, ViewerForm, site_of
from app.web.rendering import page, render
from app.web.site import Site

ROWS = 50
LONGEST_TEXT = 100
TITLES = {
    "all": "All",
    "attention": "Need attention",
    "queued": "Queued",
    "running": "Running",
    "delivering": "Delivering",
    "delivered": "Delivered",
    "fracture": "Fracture found",
    "refused": "Refused",
    "failed": "Failed",
    "held": "Held",
    "ended": "Cancelled, replaced, settled",
}
COUNTED = ("attention", "queued", "running", "delivering")
router = APIRouter()


@dataclass(frozen=True)
class Question:
    """What a person asks for: a group of states, a text, and a page, which begins with 1."""

    group: str = "all"
    text: str = ""
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Question:
        """Returns what a form asks for, with defaults for what is missing or invalid.

        A refreshed list stays on its page, one of another group or text begins with its first.
        """
        group, text = str(values.get("group", "")), str(values.get("text", ""))[:LONGEST_TEXT]
        is_same = (values.get("was_group", group), values.get("was_text", text)) == (group, text)
        number = str(values.get("go") or values.get("page", "")) if is_same else ""
        return cls(
            group if group in GROUPS else "all",
            text,
            int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
        )


def found(site: Site, asked: Question) -> dict[str, Any]:
    """Returns the rows of one page, latest first, with counts of all groups."""
    jobs = site.index.fresh()
    known = site.identities.known
    chosen = search(jobs, asked.group, asked.text, lambda job_id: words_of(known.get(job_id)))
    pages = max(1, -(-len(chosen) // ROWS))
    number = min(max(asked.page, 1), pages)
    shown = chosen[::-1][(number - 1) * ROWS : number * ROWS]
    known_studies = {job.study_instance_uid for job in jobs}
    return {
        "receiving": receiving(site.node.data / "inbox", known_studies, ROWS),
        "quiet_s": site.node.quiet_s,
        "rows": [(job, site.identities.of(job.job_id).accession) for job in shown],
        "asked": Question(asked.group, asked.text, number),
        "counts": Counter(name for job in jobs for name in COUNTED if GROUPS[name](job)),
        "titles": TITLES,
        "total": len(chosen),
        "last_page": pages,
        "first_row": (number - 1) * ROWS + 1,
    }


def words_of(identity: Any) -> Sequence[str]:
    """Returns what a study can be found by; nothing while its files have not been read."""
    return (identity.accession, identity.patient_id) if identity else ()


@router.get("/")
def studies(request: Request, visitor: Viewer, group: str = "all", number: int = 1) -> Response:
    """Returns the list; its address never holds what was searched for, which may be a patient."""
    asked = Question.of({"group": group, "page": number})
    return page(request, "studies.html", visitor, **found(site_of(request), asked))


@router.post("/")
def searched(request: Request, sent: ViewerForm) -> Response:
    """Returns the list that a form asks for; for htmx only its table."""
    visitor, form = sent
    values = found(site_of(request), Question.of(form))
    if request.headers.get("HX-Request") == "true":
        return render(request, "studies_table.html", visitor, **values)
    return page(request, "studies.html", visitor, **values)
