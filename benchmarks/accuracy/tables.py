"""Tables of docs/accuracy.md as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accuracy import metrics
from benchmarks.accuracy.metrics import Aim
from benchmarks.accuracy.rows import Row
from operators.packages.operating_points import SENSITIVE, SPECIFIC

NONE = "-"
# Between a bone's name and the number of its fragment, in the label of a segment
FRAGMENT = " fragment "


def markdown(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Returns a table whose first column is text and whose other columns are numbers."""
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *lines))


def number(value: float | None, digits: int) -> str:
    """Formats a number, or a dash for none."""
    return NONE if value is None else f"{value:.{digits}f}"


def summary_table(aims: Sequence[Aim]) -> str:
    """Returns the table of floors, aims and values."""
    heading = ("metric", "floor", "aim", "unseen patients", "simulated", "floor met?")
    return markdown(
        heading,
        [
            (
                aim.name,
                *(number(limit, aim.digits) for limit in (aim.floor, aim.aim)),
                number(aim.seen, aim.digits),
                number(aim.simulated, aim.digits),
                aim.verdict,
            )
            for aim in aims
        ],
    )


def case_table(rows: Sequence[Row], first: str = "case") -> str:
    """Returns a table with a row for each case."""
    columns = (
        ("anatomy IoU", metrics.anatomy("iou"), 3),
        ("anatomy HD95 mm", metrics.anatomy("hd95_mm"), 1),
        ("fragment IoU", metrics.fragment_iou, 3),
        ("left whole", metrics.whole_iou, 3),
        ("HD95 mm", metrics.fragments("hd95_mm"), 1),
        ("ASSD mm", metrics.fragments("assd_mm"), 1),
        ("false per intact bone", metrics.false_fragments, 2),
        ("merges + splits per fractured bone", metrics.merges_and_splits, 2),
    )
    lines = [
        (
            case_name(row),
            *(number(metric([row]), digits) for _, metric, digits in columns),
            percent(metrics.worst_side(row)),
        )
        for row in rows
    ]
    return markdown((first, *(name for name, _, _ in columns), "wrong side"), lines)


def percent(share: float) -> str:
    """Formats a share as a percentage."""
    return "0" if not share else "<0.1%" if share < 0.001 else f"{share:.1%}"


def case_name(row: Row) -> str:
    """Returns the case, whether training saw it, and the networks unless they are the shipped ones."""
    if row["group"] != "patients":
        return str(row["case"]) if row["group"] != "simulated" else f"simulated, {row['case']}"
    shipped = row["networks"] == "shipped"
    networks = "shipped" if shipped else f"networks {row['made_by']['fracture'][:8]}"
    return f"{row['case']}, {'seen in training' if row['seen'] else f'unseen ({networks})'}"


def bone_table(rows: Sequence[Row]) -> str:
    """Returns a table with a row for each bone of each case; fragments, largest first, as IoU (volume)."""
    heading = (
        "case, bone",
        "IoU",
        "HD95 mm",
        "ASSD mm",
        "fragments: IoU (ml)",
        "merges",
        "splits",
        "false",
        "wrong side",
    )
    lines = [bone_line(row, bone) for row in rows for bone in row["bones"]]
    return markdown(heading, lines)


def bone_line(row: Row, bone: dict[str, Any]) -> tuple[str, ...]:
    """Returns the row of one bone."""
    agreement, broken = bone["anatomy"], len(bone["fragments"]) > 1
    parts = [f"{f['agreement']['iou']:.3f} ({f['volume_ml']:.1f})" for f in bone["fragments"]]
    side = row["wrong_side"].get(bone["name"])
    return (
        f"{case_name(row)}: {plain(bone['name'])}",
        number(agreement["iou"], 3),
        number(agreement["hd95_mm"], 2),
        number(agreement["assd_mm"], 2),
        ", ".join(parts) if broken else "intact",
        *(str(bone[name]) if broken else NONE for name in ("merges", "splits")),
        NONE if broken else str(bone["false_fragments"]),
        NONE if side is None else percent(side),
    )


def plain(name: str) -> str:
    """Returns a label's name as words."""
    return name.replace("_", " ")


def negative_table(rows: Sequence[Row], least: float) -> str:
    """Returns the table of what was found where nothing is, with the coarse network's probabilities."""
    heading = ("scan", "found", "highest voxel", f"mean over the candidate bones (found from {least:g})")
    lines = [(row["case"], found_text(row), number(row["peak"], 2), number(row["mean"], 2)) for row in rows]
    return markdown(heading, lines)


def found_text(row: Row) -> str:
    """Lists the found bones with their volumes, all fragments together, or none."""
    bones: dict[str, float] = {}
    for segment in row["segments"]:
        bone = segment["label"].split(FRAGMENT)[0]
        bones[bone] = bones.get(bone, 0.0) + segment["ml"]
    return ", ".join(f"{bone} {ml:.0f} ml" for bone, ml in bones.items()) or "nothing"


def operating_point_table(rows: Sequence[Row]) -> str:
    """Returns the table of fragments shown in intact bones, at each operating point."""
    heading = (
        "scan",
        "operating point",
        "intact bones",
        "invented fragments",
        "their volumes, ml",
        "fragment IoU",
    )
    return markdown(heading, [operating_point_line(row) for row in rows])


def operating_point_line(row: Row) -> tuple[str, ...]:
    """Returns the row of one scan; fragments of true fractures are not counted."""
    point = SENSITIVE if row["networks"] == SENSITIVE else SPECIFIC
    if "bones" in row:
        intact = metrics.intact(row["bones"])
        invented = sum(bone["false_fragments"] for bone in intact)
        return (
            row["case"],
            point,
            str(len(intact)),
            str(invented),
            NONE,
            number(metrics.fragment_iou([row]), 3),
        )
    sizes: dict[str, list[float]] = {}
    for segment in row["segments"]:
        sizes.setdefault(segment["label"].split(FRAGMENT)[0], []).append(segment["ml"])
    volumes = [ml for bone in sizes.values() for ml in sorted(bone)[:-1]]
    listed = ", ".join(f"{ml:.1f}" for ml in volumes)
    return row["case"], point, str(len(sizes)), str(len(volumes)), listed or NONE, NONE


def degradation_table(rows: Sequence[Row], baselines: Mapping[str, Row]) -> str:
    """Returns the table of changes: anatomy of each scan, fragments of the first; unchanged scans first."""
    table = {(change_of(row), scan_of(row)): row for row in rows}
    table |= {("as it is", scan): base for scan, base in baselines.items()}
    changes, scans = ["as it is", *dict.fromkeys(change_of(row) for row in rows)], list(baselines)
    heading = ["change"]
    for scan in scans:
        heading += [f"{scan}: anatomy IoU", "wrong side"]
    heading += [f"{scans[0]}: fragment IoU", "false", "merges + splits"]
    return markdown(heading, [degradation_line(change, scans, table) for change in changes])


def degradation_line(change: str, scans: Sequence[str], table: dict[tuple[str, str], Row]) -> list[str]:
    """Returns the row of one change over all scans."""
    cells = [change]
    for scan in scans:
        row = table.get((change, scan))
        cells += [NONE, NONE] if row is None else [anatomy_text(row), percent(metrics.worst_side(row))]
    first = [table[change, scans[0]]] if (change, scans[0]) in table else []
    return [
        *cells,
        number(metrics.fragment_iou(first), 3),
        number(metrics.false_fragments(first), 2),
        number(metrics.merges_and_splits(first), 2),
    ]


def anatomy_text(row: Row) -> str:
    """Returns the mean IoU, or the error code of a scan that was refused."""
    text = number(metrics.anatomy("iou")([row]), 3)
    return text if row["code"] == "segmented" else f"{text} ({row['code']})"


def scan_of(row: Row) -> str:
    """Returns the scan that was changed."""
    return str(row["case"]).split(": ")[0]


def change_of(row: Row) -> str:
    """Returns the change that was made to the scan."""
    return str(row["case"]).split(": ")[1]


def weights_table(rows: Sequence[Row]) -> str:
    """Returns the table of weights behind each patient's row."""
    heading = ("row", "coarse", "fine", "fracture")
    lines = [(case_name(row), *(f"`{row['made_by'][name][:16]}`" for name in heading[1:])) for row in rows]
    return markdown(heading, lines)
