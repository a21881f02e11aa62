"""Writes docs/accuracy.md from the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.accuracy import metrics
from benchmarks.accuracy.cases.panel import (
    DEGRADED_PATIENT,
    DEGRADED_SIMULATED,
    PATIENT_NAME,
    POINTS,
    SHIPPED,
    SIMULATED_NAME,
    degradations,
    positions,
)
from benchmarks.accuracy.failures import failures
from benchmarks.accuracy.metrics import CONFUSED_SHARE
from benchmarks.accuracy.pictures import chosen, copy_pictures
from benchmarks.accuracy.plots import write_plots
from benchmarks.accuracy.rows import Row, Rows
from benchmarks.accuracy.summary import summary, unseen_patients
from benchmarks.accuracy.tables import (
    bone_table,
    case_table,
    degradation_table,
    negative_table,
    number,
    operating_point_table,
    summary_table,
    weights_table,
)
from training.phantoms.fractures import FRACTURES

INTRODUCTION = """\
# Accuracy

Accuracy of the shipped networks on real and simulated CTs. **Not for clinical use.** `make accuracy` runs the
panel and writes this page, its plots and its pictures; nothing here is written by hand."""
DEFINITIONS = f"""\
There are only three patients, so the mean says little: the figures of each are below. The verdict is
based on the patients whom the networks never saw, and for sides and negatives on all runs. Fragments are
matched as in PENGWIN 2024 (`operators/evaluation/case_evaluation.py`); HD95 and ASSD of fragments are
means over all true fragments of fractured bones, and a missed fragment contributes its own size. Merges,
splits and false fragments are counted as by `osteon evaluate`. Left and right are confused in a bone if
more than {CONFUSED_SHARE:.0%} of the voxels that were found carry the other side's name; "wrong side" is
the largest such share of any bone. "Left whole" is the fragment IoU that would result if no bone were
split."""
PATIENTS = """\
Real fractured bones, cut out of the patients' CTs by a mask and placed in a synthetic body without other
bones. The edge of a bone in such a scan is that of the mask, which favours the outlines: a real scanner's
edge is less sharp. A patient seen in training shows how well the networks remember, not how well they
generalise. A row by other networks is of a training without that patient; those weights are too large to
be shipped, and the row stays as it was measured."""
SIMULATED = """\
Procedural CTs of `training/phantoms`, always the same ones, with seeds that training does not use."""
FILES = """\
The rows of this page are computed in one process on arrays. Patient {patient} again, from DICOM files to
DICOM SEG by `osteon run` and `osteon evaluate`: anatomy IoU {anatomy} ({anatomy_here} here), fragment IoU
{fragments} ({fragments_here} here)."""
DEGRADATIONS = """\
One change at a time, to patient {patient} and to one procedural CT ({simulated}). Thick slices are means
of neighbouring ones, evaluated on their own grid. Noise is added to the scan's own. A cut scan loses a
third of the bones' extent. Metal is a plate with three screws on the largest bone, with streaks. A turned
patient lies at an angle in the scanner. The procedural CT is run only as far as the bones' outlines."""
POSITIONS = """\
The same patient as stored by a scanner on which he lay differently, or with rows or columns stored
backwards. Only the order of the array and its headers change, so the figures may change by rounding only.
The mirror image swaps the patient's sides: left and right must follow."""
NOT_RUN = "Not run yet."
INTACT = """\
Real CTs in which no fracture is known: fragments of their bones are invented. The specific operating point
(the default) was set on these CTs, so their figures say what was set and not what happens in others.
`s0328_ct_bone_only` lacks all that is darker than 200 HU, trabecular bone too; the point was set on it with
soft tissue in the place of zeros. The patients are those above; 003 was used for no fit."""
NEGATIVES = """\
Scans that show none of the bones, none of them used in training. All are given directly to the networks,
even those that `osteon run` would not select."""


def write_document(rows: Rows, least: float, pictures: Path, path: Path) -> None:
    """Writes the page at `path`, and plots and pictures in the folder of its name.

    `least` is the probability from which the package counts its bones as found.
    """
    folder = path.with_suffix("")
    aims = summary(rows)
    changed = rows.of("degradations")
    bones = [*rows.of("patients"), *rows.of("simulated")]
    write_plots(bones, changed, baselines(rows), aims, folder)
    shown = chosen(unseen_patients(rows), rows.of("simulated"), [*changed, *rows.of("positions")])
    captions = copy_pictures(shown, pictures, folder)
    made_on = "\n".join(f"- {machine}" for machine in sorted({row["made_on"] for row in rows.kept.values()}))
    parts = [INTRODUCTION, *not_run(rows), summary_table(aims), DEFINITIONS, f"Run on:\n\n{made_on}"]
    parts += [*patient_part(rows), *operating_point_part(rows)]
    parts += [f"## Simulated CTs\n\n{SIMULATED}", case_table(rows.of("simulated"), "fractures")]
    parts += changed_part(rows)
    parts += [f"## Negatives\n\n{NEGATIVES}", negative_table(rows.of("negatives"), least)]
    parts += [*failure_part(rows), *picture_part(captions, folder.name)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def not_run(rows: Rows) -> Iterator[str]:
    """Yields a warning if the run was interrupted."""
    # Two scans are changed
    whole = {
        "simulated": len(FRACTURES),
        "degradations": 2 * len(degradations()),
        "positions": 2 * len(positions(())),
    }
    missing = {group: count - len(rows.of(group)) for group, count in whole.items()}
    text = ", ".join(f"{n} of {whole[group]} {group}" for group, n in missing.items() if n)
    if text:
        yield f"**The run was interrupted; `make accuracy` resumes it.** Not run yet: {text}."


def baselines(rows: Rows) -> dict[str, Row]:
    """Returns the unchanged scans by the name that their changes begin with."""
    keys = {
        PATIENT_NAME: ("patients", DEGRADED_PATIENT, SHIPPED),
        SIMULATED_NAME: ("simulated", DEGRADED_SIMULATED, SHIPPED),
    }
    return {name: rows.kept[key] for name, key in keys.items() if key in rows.kept}


def patient_part(rows: Rows) -> Iterator[str]:
    """Yields the part on patients, and on one of them through files."""
    patients = rows.of("patients")
    yield f"## Real patients\n\n{PATIENTS}"
    yield case_table(patients, "patient")
    yield bone_table(patients)
    yield "![IoU of every bone](accuracy/bones.svg)"
    yield f"Weights, by SHA-256:\n\n{weights_table(patients)}"
    for row in rows.of("files"):
        here = rows.kept["patients", row["case"], row["networks"]]
        yield FILES.format(patient=row["case"], **both(row, ""), **both(here, "_here"))


def operating_point_part(rows: Rows) -> Iterator[str]:
    """Yields the part on real CTs without a known fracture, and on both operating points."""
    shown = [row for row in rows.of("patients") if row["networks"] == SHIPPED]
    yield f"## Operating points\n\n{INTACT}"
    yield operating_point_table([*rows.of(POINTS), *shown])


def both(row: Row, suffix: str) -> dict[str, str]:
    """Returns a row's anatomy and fragment IoU."""
    named = {"anatomy": metrics.anatomy("iou"), "fragments": metrics.fragment_iou}
    return {f"{name}{suffix}": number(metric([row]), 4) for name, metric in named.items()}


def changed_part(rows: Rows) -> Iterator[str]:
    """Yields the parts on degradations and on positions."""
    simulated = DEGRADED_SIMULATED
    yield f"## Degradations\n\n{DEGRADATIONS.format(patient=DEGRADED_PATIENT, simulated=simulated)}"
    for group, heading in (("degradations", ""), ("positions", f"## Positions\n\n{POSITIONS}")):
        changed = rows.of(group)
        yield from filter(None, [heading])
        yield degradation_table(changed, baselines(rows)) if changed else NOT_RUN
        if changed and group == "degradations":
            yield "![IoU against degradation](accuracy/degradations.svg)"


def failure_part(rows: Rows) -> Iterator[str]:
    """Yields every failure, except on patients seen in training; for changed scans only those of outlines."""
    yield "## Failures"
    changed = [{**row, "fragments": False} for row in [*rows.of("degradations"), *rows.of("positions")]]
    lines = failures([*unseen_patients(rows), *rows.of("simulated"), *changed])
    yield "\n".join(f"- {line}" for line in lines) or "None."


def picture_part(captions: Mapping[str, str], folder: str) -> Iterator[str]:
    """Yields the slice in which truth (left) and result (right) differ most."""
    yield "## The worst slices"
    yield "Ground truth left, result right, in the axial slice in which they differ most."
    for name, text in captions.items():
        yield f"{text}:\n\n![{text}]({folder}/{name})"
