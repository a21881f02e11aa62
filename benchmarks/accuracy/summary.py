"""The summary: floors and aims of each metric, and the values of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.accuracy import metrics
from benchmarks.accuracy.metrics import Aim
from benchmarks.accuracy.rows import Row, Rows

# Aims are the best results of PENGWIN 2024 where there is one (anatomy, fragments, distances)
THICK = "slices 5 mm"


# Metrics of one set of rows
OF_BONES = (
    (Aim("anatomy IoU, mean of the bones", 0.95, 0.981, True, 3), metrics.anatomy("iou")),
    (Aim("fragment IoU, fractured bones", 0.80, 0.930, True, 3), metrics.fragment_iou),
    (Aim("HD95 of their fragments, mm", 10.0, 5.9, False, 1), metrics.fragments("hd95_mm")),
    (Aim("ASSD of their fragments, mm", 3.0, 1.8, False, 1), metrics.fragments("assd_mm")),
    (Aim("false fragments per intact bone", 0.2, 0.0, False, 2), metrics.false_fragments),
    (Aim("merges and splits per fractured bone", 0.5, 0.2, False, 2), metrics.merges_and_splits),
)


def summary(rows: Rows) -> list[Aim]:
    """Returns each metric over the patients whom the networks never saw, and over the simulated CTs."""
    unseen, simulated = unseen_patients(rows), rows.of("simulated")
    thick = [row for row in rows.of("degradations") if row["case"].endswith(THICK)]
    iou = metrics.anatomy("iou")
    thick_iou = [
        iou([row for row in thick if row["case"].startswith("patient") is real]) for real in (True, False)
    ]
    positioned = [row for row in rows.kept.values() if "wrong_side" in row]
    confused = count(metrics.confused(positioned), positioned)
    negatives = rows.of("negatives")
    false_positives = count(found(negatives), negatives)
    return [
        *(replace(aim, seen=metric(unseen), simulated=metric(simulated)) for aim, metric in OF_BONES),
        Aim("bones with left and right confused, in all runs", 0, 0, False, 0, confused),
        Aim("negatives with false positives", 0, 0, False, 0, false_positives),
        Aim("anatomy IoU at slices of 5 mm", 0.85, 0.93, True, 3, *thick_iou),
    ]


def unseen_patients(rows: Rows) -> list[Row]:
    """Returns the rows of patients by networks that never saw them."""
    return [row for row in rows.of("patients") if not row["seen"]]


def found(negatives: Sequence[Row]) -> int:
    """Counts the negatives with any segment."""
    return sum(bool(row["segments"]) for row in negatives)


def count(number: int, rows: Sequence[Row]) -> float | None:
    """Returns a count over rows; None without rows."""
    return float(number) if rows else None
