"""Decides when a study is complete. Times are arguments, from one monotonic clock."""

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
    """The content of a study in the inbox: the paths of its instances, and one instance of each series.

    `images` are those of `names` that can be segmented; `corrections` counts how often instances were
    replaced by later versions with the same UIDs.
    """

    names: tuple[str, ...]
    series: tuple[Instance, ...]
    images: tuple[str, ...] = ()
    corrections: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Returns a hash that identifies the study's images, or its instances if there are no images."""
        version = [f"correction {self.corrections}"] if self.corrections else []
        return hashlib.sha256("\n".join((*(self.images or self.names), *version)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Waiting:
    """A study that is waited for: when it was first seen, and when it last changed."""

    first_s: float
    last_s: float
    fingerprint: str


@dataclass(frozen=True)
class Patience:
    """How long to wait after the last instance, and how long at most after the first."""

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
    """Returns whether a study is complete: by its images, its series, its silence, or the time limit."""
    return (
        0 < rule.complete_images <= len(content.names)
        or has_series(content.series, rule.complete_series)
        or now_s - waiting.last_s >= patience.quiet_s
        or now_s - waiting.first_s >= patience.forced_s
    )


def has_series(series: Sequence[Instance], patterns: Sequence[str]) -> bool:
    """Returns whether there are patterns and each is found in the description of some series."""
    described = [each.series_description for each in series]
    return bool(patterns) and all(is_found(pattern, described) for pattern in patterns)


def rule_for(rules: Sequence[RoutingRule], series: Sequence[Instance], calling_ae: str) -> RoutingRule:
    """Returns the first rule that matches a study, or the default rule."""
    return next((rule for rule in rules if fits(rule, series, calling_ae)), RoutingRule())


def fits(rule: RoutingRule, series: Sequence[Instance], calling_ae: str) -> bool:
    """Returns whether all conditions of a rule hold."""
    described = [text for each in series for text in (each.series_description, each.study_description)]
    return (
        (not rule.calling_ae or is_named(rule.calling_ae, calling_ae))
        and (not rule.modality or any(is_named(rule.modality, each.modality) for each in series))
        and (not rule.description or is_found(rule.description, described))
    )
