"""The result of `osteon evaluate` for one pair of label maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from operators.evaluation.metrics import CaseMetrics


@dataclass(frozen=True)
class CaseResult:
    """The metrics of one pair, notes on how they were made comparable, and the picture if drawn."""

    name: str
    metrics: CaseMetrics
    notes: tuple[str, ...] = ()
    picture: Path | None = None
