"""Writes docs/radiograph-accuracy.md and the block of the model card from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.accuracy.cards import with_block
from benchmarks.accuracy.radiographs.cases import DRAWS, Cases, cases_of
from benchmarks.accuracy.radiographs.doubtful import doubtful_table
from benchmarks.accuracy.radiographs.failures import failures
from benchmarks.accuracy.radiographs.measures import finding_counts
from benchmarks.accuracy.radiographs.plots import write_plots
from benchmarks.accuracy.radiographs.rows import RadiographRows
from benchmarks.accuracy.radiographs.tables import (
    baseline_table,
    body_parts,
    fold_table,
    goal_table,
    group_table,
    metal_of,
    plain_table,
    point_table,
    recognition_table,
    recognitions,
    sizes,
)
from training.radiograph.report import FALSE_PER_IMAGE

INTRODUCTION = """\
# Accuracy on radiographs

Accuracy of the shipped radiograph package on images that training never saw. **Not for clinical use.**
`make accuracy` runs the package and writes this page and its plots; nothing here is written by hand."""
NOT_RUN = "Not measured yet."
DATA = """\
{images} development images of FracAtlas (Abedeen et al., Scientific Data 2023;10:521; CC BY 4.0),
{fractured} of them fractured, with {outlines} outlined fractures; {metal} show metal. The package reads
them as users run it, with all its networks and, if configured, with test-time mirroring. Intervals are the
central 95 % of {draws:,} bootstrap samples of images. Patients are unknown, so the images count as
independent, and the intervals are somewhat too narrow. Published metrics are of other images of the same
set."""
CROSS_FITTED = """\
The shipped decision was fitted on these same images, so its metrics on them would be optimistic. Here
calibration, operating points, and the decoding of outlines from the network's map are fitted again on four
fifths of the images and applied to the last fifth, five times (runs of consecutive file numbers stay
together): "cross-fitted". Two thresholds are chosen on the images that they are applied to, as is usual:
that of the balanced point, and that of {false} false positives an image. The table of operating points
has the accuracy at a threshold chosen on other images."""
DEFINITIONS = """\
- **Mask mAP50**: COCO's average precision (101 recall levels) of outlines at an IoU of 0.5, over fractured
  images.
- **Sensitivity at 0.5 false positives an image**: the share of fractures whose bounding box contains the
  peak (the pixel of highest probability) of a detection, over all images (FROC).
- **Balanced point**: where sensitivity is closest to specificity, for the classification of images.
- **Expected calibration error**: in ten bins of the probability that an image shows a fracture."""
METAL = """\
Nearly all images with metal in the published set are fractured, so a network can learn metal as a shortcut
to the label. The same metrics without them:"""
BODY_PARTS = """\
An image that shows several body parts counts in each. "Fractures missed" are those without a hit at the
threshold of {false} false positives an image over all images; sensitivity and specificity are of images at
the balanced operating point, cross-fitted. Intervals of small groups are too narrow: if all images agree,
their width is zero."""
SIZES = """\
By the longer side of the published image. The networks read 454 pixels; larger images are downsampled."""
POINTS = """\
Shares of images: sensitivity, specificity and accuracy count an uncertain image by the side of the
threshold on which it lies. The threshold of a cross-fitted point is the mean over the folds. The shipped
thresholds were chosen on these images, so their rows are optimistic."""
FINDINGS = """\
A run outlines findings whose probability of being a fracture is at least 0.5. On these images it shows
{shown} findings, {right} of which hit a fracture; they hit {hit} of {fractures} fractures. This
calibration was fitted on the same images."""
ATTRIBUTES = """\
For each attribute: whether its prediction (present at a probability of 0.5 or more) agrees with the data
set. Body part and view are correct if the most probable one is listed; images without any are excluded. The
last column is the accuracy of the best constant prediction."""
DOUBTFUL = """\
How many images have a flag, and which. The first rows are the development images: as they are, turned by
180 degrees, mirrored. The others show no body part that the networks know: sums along parallel rays through
CTs that training never saw, in random directions, with and without black margins. No header names a body
part here."""
CURVES = """\
Bars are intervals; the numbers beside the dots of the reliability diagram count images. Calibration and
operating points are cross-fitted."""
FOLDS = """\
Networks of the same recipe, each trained on four fifths of the training images and evaluated on the
others, upright, with fixed thresholds of the map and no mirror images. None of them is shipped, nor need
they be trained as long ([radiograph-training.md](radiograph-training.md)); the spread is the standard
deviation over the folds."""
BASELINE = """\
ResNet-18 from random weights as a classifier of the same images, trained as described in
[radiograph-training.md](radiograph-training.md), and evaluated on the same development images without
mirror images. It has no intervals, as only its metrics are stored."""
CARD = """\
Written by `make accuracy`; [docs/radiograph-accuracy.md](../../docs/radiograph-accuracy.md) has all metrics,
with plots. {images} development images, {fractured} of them fractured:"""


def write_document(rows: RadiographRows | None, path: Path, draws: int = DRAWS) -> None:
    """Writes the page at `path`, and the plots in the folder of its name."""
    parts = [INTRODUCTION, *([NOT_RUN] if rows is None else page(rows, path.with_suffix(""), draws))]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def page(rows: RadiographRows, folder: Path, draws: int) -> Iterator[str]:
    """Yields the parts of the page, and writes the plots."""
    cases = cases_of(rows, draws)
    write_plots(cases, folder)
    yield goal_table(cases)
    yield description(cases)
    yield CROSS_FITTED.format(false=FALSE_PER_IMAGE)
    yield DEFINITIONS
    networks = ", ".join(f"{name} `{sha256[:16]}`" for name, sha256 in rows.weights.items())
    yield f"Run on: {rows.made_on}. Networks, by SHA-256: {networks}."
    yield "## Failures"
    yield failure_list(cases, rows)
    yield f"## Without metal\n\n{METAL}"
    yield plain_table(cases)
    yield f"## By body part\n\n{BODY_PARTS.format(false=FALSE_PER_IMAGE)}"
    yield group_table(cases, body_parts(cases, rows), "body part")
    yield f"## By size\n\n{SIZES}"
    yield group_table(cases, sizes(cases), "published size")
    yield f"## Operating points\n\n{POINTS}"
    yield point_table(cases, rows)
    yield FINDINGS.format(**vars(finding_counts(cases)))
    yield f"## Body part, view, metal\n\n{ATTRIBUTES}"
    yield recognition_table(recognitions(cases, rows))
    if rows.doubtful:
        yield f"## Doubtful images\n\n{DOUBTFUL}\n\n{doubtful_table(rows.doubtful)}"
    yield f"## Curves\n\n{CURVES}"
    names = {"roc": "ROC curve", "froc": "FROC curve", "reliability": "Reliability diagram"}
    yield "\n".join(f"![{text}]({folder.name}/{name}.svg)" for name, text in names.items())
    if rows.cross_validation is not None:
        yield f"## Cross-validation\n\n{FOLDS}\n\n{fold_table(rows)}"
    if rows.baseline is not None:
        yield f"## Beside a ResNet-18\n\n{BASELINE}\n\n{baseline_table(cases, rows)}"


def description(cases: Cases) -> str:
    """Returns a paragraph on the images."""
    return DATA.format(
        images=len(cases.rows),
        fractured=int(cases.fractured.sum()),
        outlines=sum(row["outlines"] for row in cases.rows),
        metal=int(metal_of(cases).sum()),
        draws=cases.draws,
    )


def failure_list(cases: Cases, rows: RadiographRows) -> str:
    """Returns the failures as a list."""
    return "\n".join(f"- {line}" for line in failures(cases, rows)) or "None."


def write_card(rows: RadiographRows, card: Path, draws: int = DRAWS) -> None:
    """Writes the metrics between the markers of the model card. Raises ValueError if it has none."""
    cases = cases_of(rows, draws)
    block = [
        CARD.format(images=len(cases.rows), fractured=int(cases.fractured.sum())),
        goal_table(cases),
        "By body part:",
        group_table(cases, body_parts(cases, rows), "body part"),
        "Operating points:",
        point_table(cases, rows),
        "Failures:",
        failure_list(cases, rows),
    ]
    card.write_text(with_block(card.read_text(encoding="utf-8"), "\n\n".join(block)), encoding="utf-8")
