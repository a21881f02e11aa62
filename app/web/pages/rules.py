"""The rules in plain words, and what would happen to a study."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.node.queue.rule_test import SuppliedStudy, answers
from app.node.settings.rule_words import quiet_in_words, rule_in_words
from app.web.access import Viewer, ViewerForm, Visitor, site_of
from app.web.rendering import page

LONGEST_TEXT = 64
MOST_IMAGES = 1_000_000
router = APIRouter(prefix="/rules")


@router.get("")
def shown(request: Request, visitor: Viewer) -> Response:
    """Returns the page of the rules."""
    return answered(request, visitor, SuppliedStudy(modality="CT"), ())


@router.post("")
def tested(request: Request, sent: ViewerForm) -> Response:
    """Returns the page with what would happen to the study of a form."""
    (visitor, form), site = sent, site_of(request)
    images = str(form.get("images", ""))
    calling_ae, modality, description = (
        str(form.get(key, "")).strip()[:LONGEST_TEXT] for key in ("calling_ae", "modality", "description")
    )
    count = min(int(images), MOST_IMAGES) if images.isascii() and images.isdigit() and len(images) < 8 else 0
    study = SuppliedStudy(calling_ae, modality, description, count)
    return answered(request, visitor, study, tuple(answers(study, site.node, site.packages())))


def answered(request: Request, visitor: Visitor, study: SuppliedStudy, said: tuple[str, ...]) -> Response:
    """Returns the page of the rules with a study and what would happen to it."""
    node = site_of(request).node
    rules = [rule_in_words(rule) for rule in node.rules]
    return page(
        request, "rules.html", visitor, rules=rules, quiet=quiet_in_words(node), study=study, answers=said
    )
