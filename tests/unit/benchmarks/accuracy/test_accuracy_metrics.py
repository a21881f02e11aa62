"""Metrics, tables and documents of the accuracy panel, on hand-written rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy import cards, metrics, pictures
from benchmarks.accuracy.failures import failures
from benchmarks.accuracy.rows import Row, Rows, read_rows
from benchmarks.accuracy.summary import summary
from benchmarks.accuracy.tables import case_table, degradation_table, negative_table, summary_table

MADE_BY = {"coarse": "c" * 64, "fine": "f" * 64, "fracture": "a" * 64, "package": "p", "program": "q"}


def agreement(iou: float) -> dict[str, float]:
    return {"iou": iou, "hd95_mm": 10 * (1 - iou), "assd_mm": 2 * (1 - iou)}


def bone(name: str, iou: float, *fragments: float, **counts: int) -> dict[str, Any]:
    """Of one fragment with the bone's own IoU where none is given."""
    parts = fragments or (iou,)
    return {
        "name": name,
        "anatomy": agreement(iou),
        "fragments": [{"agreement": agreement(f), "volume_ml": 9.0, "found": f >= 0.5} for f in parts],
        "fragment_iou": sum(parts) / len(parts),
        "whole_iou": 0.4,
        **{"merges": 0, "splits": 0, "false_fragments": 0, **counts},
    }


def row(group: str, case: str, *bones: dict[str, Any], **other: Any) -> Row:
    found = {"bones": list(bones), "absent_bones": [], "wrong_side": {b["name"]: 0.0 for b in bones}}
    plain = {"group": group, "case": case, "networks": "shipped", "code": "segmented", "fragments": True}
    rest = {"segments": [{"label": "Hip", "ml": 3.0}], "seen": False}
    return {**plain, **rest, **found, "made_by": MADE_BY, "made_on": "a machine", **other}


def negative(case: str, **other: Any) -> Row:
    return {**row("negatives", case), "segments": [], "mean": 0.2, "peak": 0.5, **other}


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return some_rows(tmp_path / "rows")


def some_rows(folder: Path) -> Rows:
    """Rows of each kind, in a folder."""
    kept = Rows(folder)
    broken = bone("hip_left", 0.9, 0.8, 0.4, merges=1)
    kept.put(row("patients", "001", bone("sacrum", 0.99), seen=True))
    kept.put(row("patients", "003", bone("sacrum", 0.97, false_fragments=1), broken))
    kept.put(row("simulated", "left wing and pubis, left ala", bone("sacrum", 0.9), bone("hip_left", 0.8)))
    kept.put(row("degradations", "patient 003: slices 5 mm", bone("sacrum", 0.86), broken))
    kept.put(row("degradations", "procedural CT: slices 5 mm", bone("sacrum", 0.5), fragments=False))
    kept.put(row("positions", "patient 003: prone", bone("sacrum", 0.97), broken))
    kept.put(negative("a knee"))
    return kept


def aims(rows: Rows) -> dict[str, metrics.Aim]:
    return {aim.name: aim for aim in summary(rows)}


def test_the_summary_is_of_patients_whom_the_networks_never_saw(rows: Rows) -> None:
    anatomy = aims(rows)["anatomy IoU, mean of the bones"]
    assert anatomy.seen == pytest.approx((0.97 + 0.9) / 2)
    assert anatomy.simulated == pytest.approx(0.85)
    assert anatomy.verdict == "not met"


def test_a_row_of_networks_that_never_saw_a_patient_counts_as_unseen(rows: Rows) -> None:
    rows.put(row("patients", "001", bone("sacrum", 0.5), networks="001"))
    assert aims(rows)["anatomy IoU, mean of the bones"].seen == pytest.approx((0.935 + 0.5) / 2)


def test_fragments_are_judged_in_fractured_bones_only(rows: Rows) -> None:
    found = aims(rows)
    assert found["fragment IoU, fractured bones"].seen == pytest.approx(0.6)
    assert found["HD95 of their fragments, mm"].seen == pytest.approx((2 + 6) / 2)
    assert found["merges and splits per fractured bone"].seen == 1
    assert found["false fragments per intact bone"].seen == 1


def test_bones_left_whole_on_purpose_say_nothing_of_fragments(rows: Rows) -> None:
    rows.put(row("simulated", "another", bone("hip_left", 0.9, 0.9, 0.1), fragments=False))
    assert aims(rows)["fragment IoU, fractured bones"].simulated is None


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [(0.9496, "met"), (0.9494, "not met"), (0.981, "met, and the aim"), (None, "not measured")],
)
def test_a_metric_meets_the_floor_that_it_rounds_to(seen: float | None, verdict: str) -> None:
    assert metrics.Aim("IoU", 0.95, 0.981, True, 3, seen, None).verdict == verdict


def test_a_metric_that_should_be_low_is_met_from_below() -> None:
    assert metrics.Aim("HD95", 10.0, 5.9, False, 1, 10.01, None).verdict == "met"
    assert metrics.Aim("HD95", 10.0, 5.9, False, 1, 10.1, None).verdict == "not met"


def test_five_mm_slices_are_judged_on_the_patient(rows: Rows) -> None:
    found = aims(rows)["anatomy IoU at slices of 5 mm"]
    assert found.seen == pytest.approx(0.88)
    assert found.simulated == 0.5


def test_one_bone_on_the_wrong_side_in_any_run_is_a_confusion(rows: Rows) -> None:
    name = "bones with left and right confused, in all runs"
    assert aims(rows)[name].seen == 0
    rows.put(row("positions", "patient 003: prone", bone("hip_left", 0.9), wrong_side={"hip_left": 0.06}))
    assert aims(rows)[name].seen == 1
    assert "labelled as the other side" in failures(rows.of("positions"))[0]


def test_anything_found_in_a_negative_counts(rows: Rows) -> None:
    name = "negatives with false positives"
    assert aims(rows)[name].seen == 0
    pieces = [{"label": f"Sacrum fragment {n}", "ml": 3.6} for n in (1, 2)]
    rows.put(negative("a head", segments=pieces))
    assert aims(rows)[name].seen == 1
    assert "| a head | Sacrum 7 ml | 0.50 | 0.20 |" in negative_table(rows.of("negatives"), 0.8)


def test_what_was_not_run_is_not_met(tmp_path: Path) -> None:
    assert {aim.verdict for aim in summary(Rows(tmp_path))} == {"not measured"}
    assert "| - | - | not measured |" in summary_table(summary(Rows(tmp_path)))


def test_rows_are_read_back_as_they_were_put(rows: Rows) -> None:
    again = read_rows(rows.folder)
    assert again.kept == rows.kept
    assert again.holds(("patients", "003", "shipped"), MADE_BY)
    assert not again.holds(("patients", "003", "shipped"), {**MADE_BY, "fine": "other"})
    again.keep_only([("patients", "003", "shipped")])
    assert list(read_rows(rows.folder).kept) == [("patients", "003", "shipped")]


def test_tables_tell_seen_patients_and_foreign_weights_from_unseen_ones(rows: Rows) -> None:
    rows.put(row("patients", "002", bone("sacrum", 0.9), networks="002"))
    table = case_table(rows.of("patients"))
    assert "| 001, seen in training | 0.990 |" in table
    assert "| 003, unseen (shipped) | 0.935 |" in table
    assert "| 002, unseen (networks aaaaaaaa) | 0.900 |" in table


def test_a_degradation_stands_below_the_scan_as_it_is(rows: Rows) -> None:
    base = {"patient 003": rows.kept["patients", "003", "shipped"]}
    lines = degradation_table(rows.of("positions"), base).splitlines()
    assert lines[2].startswith("| as it is | 0.935 | 0 | 0.600 |")
    assert lines[3].startswith("| prone | 0.935 |")


def test_failures_are_told_in_words(rows: Rows) -> None:
    (text,) = failures([rows.kept["patients", "003", "shipped"]])
    assert "sacrum: 1 false fragment on an intact bone" in text
    assert "hip left: 1 of 2 fragments missed (9.0 ml); hip left: fragments merged" in text
    assert failures([rows.kept["patients", "001", "shipped"]]) == []


def test_a_cards_block_is_replaced_and_the_rest_stays(rows: Rows) -> None:
    card = "# A card\n<!-- figures -->\nold\n<!-- /figures -->\nend\n"
    new = cards.with_block(card, cards.outline_block(rows))
    assert new.startswith("# A card\n<!-- figures -->\nWritten by")
    assert new.endswith("<!-- /figures -->\nend\n")
    assert "old" not in new
    assert cards.with_block(new, "x") == "# A card\n<!-- figures -->\nx\n<!-- /figures -->\nend\n"
    with pytest.raises(ValueError, match="expected a model card with"):
        cards.with_block("# none", "x")


def test_a_cards_metrics_have_ranges(rows: Rows) -> None:
    rows.put(row("simulated", "another", bone("sacrum", 0.95)))
    assert "| 2 simulated CTs | 0.900 (0.850 to 0.950) |" in cards.outline_block(rows)


def test_the_worst_scans_are_shown_first(rows: Rows) -> None:
    found = pictures.worst(rows.of("degradations"), metrics.anatomy("iou"))
    assert [each["case"] for each in found] == ["procedural CT: slices 5 mm", "patient 003: slices 5 mm"]
