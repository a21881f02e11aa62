"""Writes the metrics of the model cards between their markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.accuracy import metrics
from benchmarks.accuracy.failures import failures
from benchmarks.accuracy.rows import Row, Rows
from benchmarks.accuracy.summary import found, unseen_patients
from benchmarks.accuracy.tables import bone_table, case_name, markdown, number, percent
from benchmarks.panel import PANEL
from training import files

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
WRITTEN = "Written by `make accuracy`; [docs/accuracy.md]({path}) has all metrics, with plots and pictures."


def write_cards(rows: Rows, models: Path) -> None:
    """Writes the blocks of the outlines' card and the fragments' card."""
    blocks: Mapping[str, Callable[[Rows], str]] = {
        PANEL.outline_card: outline_block,
        PANEL.fragment_card: fragment_block,
    }
    for name, block in blocks.items():
        card = models / name / "MODEL_CARD.md"
        card.write_text(with_block(card.read_text(encoding="utf-8"), block(rows)), encoding="utf-8")


def with_block(card: str, block: str) -> str:
    """Returns the card with `block` between its markers. Raises ValueError if it has none."""
    return files.with_block(card, BEGIN, END, f"\n{block}\n")


def outline_block(rows: Rows) -> str:
    """Returns the block on outlines, sides and negatives."""
    measures = {
        "IoU": (metrics.anatomy("iou"), 3),
        "HD95 mm": (metrics.anatomy("hd95_mm"), 2),
        "ASSD mm": (metrics.anatomy("assd_mm"), 2),
    }
    changed = [*rows.of("degradations"), *rows.of("positions")]
    text = [
        WRITTEN.format(path="../../docs/accuracy.md"),
        "Mean over the bones; for sets of scans, the mean and the range:",
        measure_table(rows, measures),
        side_sentence([*rows.of("patients"), *rows.of("simulated"), *changed]),
        negative_sentence(rows.of("negatives")),
        f"Bone by bone:\n\n{bone_table(rows.of('patients'))}",
    ]
    return "\n\n".join(text)


def side_sentence(rows: Sequence[Row]) -> str:
    """Returns a sentence on left and right over all runs."""
    share = percent(max(map(metrics.worst_side, rows), default=0.0))
    return (
        f"Left and right are confused in {metrics.confused(rows)} bones of {len(rows)} runs;\n"
        f"at most {share} of a bone carries the other side's name."
    )


def negative_sentence(rows: Sequence[Row]) -> str:
    """Returns a sentence on false positives in negatives."""
    sure = max((row["mean"] for row in rows), default=0.0)
    return (
        f"Something is found in {found(rows)} of {len(rows)} scans without these bones;\n"
        f"the coarse network's mean probability of a candidate is at most {sure:.2f}."
    )


def fragment_block(rows: Rows) -> str:
    """Returns the block on fragments."""
    measures = {
        "fragment IoU": (metrics.fragment_iou, 3),
        "left whole": (metrics.whole_iou, 3),
        "HD95 mm": (metrics.fragments("hd95_mm"), 1),
        "ASSD mm": (metrics.fragments("assd_mm"), 1),
        "false per intact bone": (metrics.false_fragments, 2),
        "merges + splits per fractured bone": (metrics.merges_and_splits, 2),
    }
    lines = failures([*unseen_patients(rows), *rows.of("simulated")])
    text = [
        WRITTEN.format(path="../../docs/accuracy.md"),
        "Fractured bones with the pipeline's own outlines; for sets of scans, the mean and the range:",
        measure_table(rows, measures),
        "Failures on patients and simulated CTs that training never saw:",
        "\n".join(f"- {line}" for line in lines) or "None.",
    ]
    return "\n\n".join(text)


def measure_table(rows: Rows, measures: Mapping[str, tuple[metrics.Metric, int]]) -> str:
    """Returns a table: a row for each patient, then mean and range over simulated and degraded scans."""
    lines = [[case_name(row), *cells([row], measures)] for row in rows.of("patients")]
    sets = {"simulated CTs": rows.of("simulated"), "degraded scans": rows.of("degradations")}
    lines += [[f"{len(some)} {name}", *cells(some, measures)] for name, some in sets.items()]
    return markdown(("patient", *measures), lines)


def cells(rows: Sequence[Row], measures: Mapping[str, tuple[metrics.Metric, int]]) -> list[str]:
    """Returns each metric over the rows."""
    return [spread(rows, metric, digits) for metric, digits in measures.values()]


def spread(rows: Sequence[Row], metric: metrics.Metric, digits: int) -> str:
    """Returns the metric over all rows, with the range of single rows where there are several."""
    single = [value for row in rows if (value := metric([row])) is not None]
    text = number(metric(rows), digits)
    return text if len(single) < 2 else f"{text} ({min(single):.{digits}f} to {max(single):.{digits}f})"
