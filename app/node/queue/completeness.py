"""When a study has come in whole. Time is an argument: of one clock that never jumps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from app.node.settings.configuration import RoutingRule
from app.node.settings.patterns import is_found, is_named
from operators.dicom.elements.instance_identity import Instance


@dataclass(frozen=True)
class Content:
    """The content of a study in the inbox: instance paths below it, and one instance of each series.

    `images` are those of `names` that a segmentation could be made of; `corrections` counts how often
    instances were replaced by later versions of the same UIDs.
    """

    names: tuple[str, ...]
    series: tuple[Instance, ...]
    images: tuple[str, ...] = ()
    corrections: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the study's images; where there are none, its instances."""
        version = [f"correction {self.corrections}"] if self.corrections else []
        return hashlib.sha256("\n".join((*(self.images or self.names), *version)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Waiting:
    """A study that was seen: since when, and since when nothing came to it."""

    first_s: float
    last_s: float
    fingerprint: str


@dataclass(frozen=True)
class Patience:
    """How long to wait after the last instance, and at most after the first."""

    quiet_s: float
    forced_s: float


def count_seen(waiting: Waiting | None, fingerprint: str, now_s: float) -> Waiting:
    """Returns the state of a study after a look at it."""
    if waiting is None:
        return Waiting(now_s, now_s, fingerprint)
    if waiting.fingerprint == fingerprint:
        return waiting
    return replace(waiting, last_s=now_s, fingerprint=fingerprint)


def is_complete(
    waiting: Waiting, content: Content, rule: RoutingRule, patience: Patience, now_s: float
) -> bool:
    """By its count, its series, quiet, or for having waited long enough."""
    return (
        0 < rule.complete_images <= len(content.names)
        or has_series(content.series, rule.complete_series)
        or now_s - waiting.last_s >= patience.quiet_s
        or now_s - waiting.first_s >= patience.forced_s
    )


def has_series(series: Sequence[Instance], patterns: Sequence[str]) -> bool:
    """Whether there are patterns, and each is found in the description of a series."""
    described = [each.series_description for each in series]
    return bool(patterns) and all(is_found(pattern, described) for pattern in patterns)


def rule_for(rules: Sequence[RoutingRule], series: Sequence[Instance], calling_ae: str) -> RoutingRule:
    """The first rule that fits a study; one that asks for nothing where none does."""
    return next((rule for rule in rules if fits(rule, series, calling_ae)), RoutingRule())


def fits(rule: RoutingRule, series: Sequence[Instance], calling_ae: str) -> bool:
    """Whether everything that a rule names is found."""
    described = [text for each in series for text in (each.series_description, each.study_description)]
    return (
        (not rule.calling_ae or is_named(rule.calling_ae, calling_ae))
        and (not rule.modality or any(is_named(rule.modality, each.modality) for each in series))
        and (not rule.description or is_found(rule.description, described))
    )
