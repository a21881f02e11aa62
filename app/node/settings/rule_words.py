"""Says in plain words what a rule does."""

from __future__ import annotations

from app.node.settings.configuration import NodeSettings, RoutingRule
from app.printable import counted

URGENCIES = {
    "urgent": "is processed first, as if it had come two hours earlier",
    "normal": "is processed in its turn",
    "low": "is processed last, as if it had come two hours later",
}


def rule_in_words(rule: RoutingRule) -> str:
    """Returns a rule as a sentence."""
    conditions = [
        text.format(getattr(rule, name))
        for name, text in (
            ("calling_ae", "sent by {!r}"),
            ("modality", "with a series of modality {!r}"),
            ("description", "with {!r} in a description"),
        )
        if getattr(rule, name)
    ]
    which = f"A study {' and '.join(conditions)}" if conditions else "Every study"
    return f"{which} {URGENCIES[rule.urgency]}; {completeness_in_words(rule)}."


def completeness_in_words(rule: RoutingRule) -> str:
    """Returns when a study is complete at once."""
    ways = [f"as it has {counted(rule.complete_images, 'image')}"] if rule.complete_images else []
    if rule.complete_series:
        ways.append(f"as it has series described as {' and '.join(map(repr, rule.complete_series))}")
    return f"it is complete as soon {' or '.join(ways)}" if ways else "it is complete when it is quiet"


def quiet_in_words(settings: NodeSettings) -> str:
    """Returns when a study is complete without a rule."""
    return (
        f"A study is complete {settings.quiet_s:g} s after its last instance, "
        f"or {settings.forced_s:g} s after its first."
    )
