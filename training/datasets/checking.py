"""Checks a data set: its files, grids, labels, patients and copies. Nothing of it is changed.

A fault is what training cannot use; a warning is what a person should look at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

from operators.errors import OsteonError
from operators.geometry.volume import CtVolume
from training.datasets.case_checks import Facts, Remark, facts_of, read_case, remarks_on
from training.datasets.contact_sheet import radiograph_tile, shown, volume_tile
from training.datasets.layout import Case, Dataset, sha256_of
from training.progress import Tell, silent
from training.radiograph.datasets.near_copies import copy_pairs
from training.radiograph.datasets.reading import read_dataset as read_radiographs

Pixels = NDArray[np.uint8]
# The parts of a cross-validation by default: of a structure in fewer patients some part has none
FOLDS = 5
# Projections for the comparison of images: bone and soft tissue, at most so many pixels
PROJECTED_HU = (-200.0, 1000.0)
PROJECTED_PIXELS = 192
# Spacings that differ by more than this factor within a set
SPACING_FACTOR = 3.0


@dataclass(frozen=True, eq=False)
class Checked:
    """The outcome of a check: facts of each case that can be read, remarks, and a tile for each."""

    facts: tuple[Facts, ...]
    remarks: tuple[Remark, ...]
    tiles: tuple[tuple[str, Pixels], ...]

    @property
    def faults(self) -> int:
        """The number of faults."""
        return sum(remark.level == "fault" for remark in self.remarks)


def check(dataset: Dataset, tell: Tell = silent) -> Checked:
    """Checks a data set of either kind. Raises UnreadableError, UsageError."""
    return (
        check_volumes(dataset, tell) if dataset.tables.kind == "volume" else check_radiographs(dataset, tell)
    )


def check_volumes(dataset: Dataset, tell: Tell) -> Checked:
    """Checks CTs with label maps."""
    facts, remarks, tiles, projections = [], [*general(dataset)], [], dict[str, Pixels]()
    drawn = shown([case.name for case in dataset.cases])
    for at, case in enumerate(dataset.cases):
        tell("check", at / len(dataset.cases), f"{case.name}, {at + 1} of {len(dataset.cases)}")
        try:
            image, labels = read_case(dataset, case)
        except OsteonError as error:
            remarks.append(Remark("fault", error.code, (case.name,), str(error)))
            continue
        one = facts_of(case, image, labels, dataset)
        facts.append(one)
        remarks += remarks_on(one, dataset)
        if case.name in drawn:
            tiles.append((case.name, volume_tile(image, labels)))
        projections[case.name] = projected(image)
    tell("check", None, f"copies among {len(projections)} cases")
    patients = {case.name: case.patient for case in dataset.cases}
    remarks += [
        *same_scans(list(projections), list(projections.values()), patients),
        *over_all(facts, dataset),
    ]
    return Checked(tuple(facts), tuple(remarks), tuple(tiles))


def check_radiographs(dataset: Dataset, tell: Tell) -> Checked:
    """Checks radiographs with outlines, whose files the import has read already."""
    tell("check", None, f"{len(dataset.cases)} radiographs")
    remarks = [*general(dataset)]
    images = read_radiographs(dataset.folder)
    patients = {case.name: case.patient for case in dataset.cases}
    remarks += same_scans([image.name for image in images], [image.pixels for image in images], patients)
    broken = sum(image.fractured for image in images)
    if not 0 < broken < len(images):
        text = f"expected radiographs with and without fractures, got {broken} of {len(images)} with one"
        remarks.append(Remark("warning", "one_class", (), text))
    bare = tuple(image.name for image in images if image.fractured and not image.outlines)
    if bare:
        remarks.append(Remark("warning", "no_outline", bare, "a fracture without an outline"))
    drawn = shown([image.name for image in images])
    tiles = tuple((image.name, radiograph_tile(image)) for image in images if image.name in drawn)
    return Checked((), tuple(remarks), tiles)


def general(dataset: Dataset) -> Iterator[Remark]:
    """Remarks that need no image: files, identical ones, patients, what the import left out."""
    for case in dataset.cases:
        yield from changed_files(dataset, case)
    same: dict[str, list[str]] = defaultdict(list)
    people: dict[str, list[str]] = defaultdict(list)
    for case in dataset.cases:
        same[case.image_sha256].append(case.name)
        people[case.patient].append(case.name)
    for names in (names for names in same.values() if len(names) > 1):
        yield Remark("fault", "identical", tuple(names), "the same image, byte by byte")
    for patient, names in people.items():
        if patient and len(names) > 1:
            yield Remark("warning", "patient_twice", tuple(names), "of one patient: they stay in one fold")
    left = dataset.tables.left_out
    if left:
        yield Remark(
            "warning", "left_out", (), f"{len(left)} of the source left out at the import: {left[0].reason}"
        )
    bare = tuple(row.name for row in dataset.tables.structures if row.structure is None)
    if bare:
        text = f"labels whose structure is not known: {', '.join(bare)}; add `structure` in dataset.toml"
        yield Remark("warning", "structure_unknown", (), text)


def changed_files(dataset: Dataset, case: Case) -> Iterator[Remark]:
    """Remarks on files that are missing or are not those that were imported."""
    paths = [(dataset.image(case), case.image_sha256)]
    if case.labels_sha256:
        paths.append((dataset.labels(case), case.labels_sha256))
    for path, expected in paths:
        if not path.is_file():
            yield Remark("fault", "missing", (case.name,), f"{path.parent.name}/{path.name} is missing")
        elif sha256_of(path) != expected:
            text = f"{path.parent.name}/{path.name} was changed since the import: its checksum differs"
            yield Remark("warning", "changed", (case.name,), text)


def projected(image: CtVolume) -> Pixels:
    """Returns the coronal mean of an image in grey, by which scans are compared."""
    order = np.argmax(np.abs(image.grid.ijk_to_lps[:3, :3]), axis=1)
    step = tuple(max(size // PROJECTED_PIXELS, 1) for size in image.hu.shape)
    hu = image.hu[:: step[0], :: step[1], :: step[2]].astype(np.float32)
    flat = np.clip(hu, *PROJECTED_HU).mean(axis=int(order[1]))
    low, high = float(flat.min()), float(flat.max())
    grey = ((flat - low) / max(high - low, 1) * 255).astype(np.uint8)
    side = (PROJECTED_PIXELS, PROJECTED_PIXELS)
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(side, Image.Resampling.BOX))


def same_scans(names: Sequence[str], images: Sequence[Pixels], patients: dict[str, str]) -> Iterator[Remark]:
    """Remarks on groups of images that look the same, also mirrored, turned or shifted.

    Coronal projections of 12 CTs of different patients correlate by 0.74 at most, copies by 0.92 or more.
    """
    pairs = copy_pairs(images)
    links = np.array([*pairs], int).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(links)), links.T), shape=(len(names), len(names)))
    _, group = sparse.csgraph.connected_components(graph, directed=False)
    for number in sorted({int(group[one]) for one, _ in pairs}):
        members = [at for at in range(len(names)) if group[at] == number]
        alike = [value for (one, _), value in pairs.items() if one in members]
        people = {patients.get(names[at]) for at in members}
        known = len(people) == 1 and "" not in people
        told = "of one patient" if known else "as several patients, or of unknown ones: is it one?"
        text = f"nearly the same image (correlation {min(alike):.2f} or more), {told}"
        yield Remark("warning", "near_copy", tuple(names[at] for at in members), text)


def over_all(facts: Sequence[Facts], dataset: Dataset) -> Iterator[Remark]:
    """Remarks on the set: orientation and spacing that differ, structures that too few patients show."""
    turned = Counter(one.orientation for one in facts)
    if len(turned) > 1:
        most = turned.most_common(1)[0][0]
        odd = tuple(one.case for one in facts if one.orientation != most)
        yield Remark("warning", "orientation", odd, f"stored in another orientation than the others' {most}")
    for axis, steps in enumerate(zip(*(one.spacing_mm for one in facts), strict=True)):
        if max(steps) > SPACING_FACTOR * min(steps):
            text = f"spacing along array axis {axis} from {min(steps):.2g} to {max(steps):.2g} mm"
            yield Remark("warning", "spacing", (), text)
    patient = {case.name: case.patient for case in dataset.cases}
    for row in dataset.tables.structures:
        showing = {patient[one.case] for one in facts if row.value in one.volumes_ml}
        if len(showing) < FOLDS:
            text = f"{row.name} is in {len(showing)} patients: of {FOLDS} folds some miss it"
            yield Remark("warning", "rare_structure", (), text)


def statistics(checked: Checked, dataset: Dataset) -> list[dict[str, Any]]:
    """For each structure the number of cases and its least, median and greatest volume."""
    rows: list[dict[str, Any]] = []
    for row in dataset.tables.structures:
        ml = sorted(one.volumes_ml[row.value] for one in checked.facts if row.value in one.volumes_ml)
        code = row.code.value if row.code else ""
        sizes = (
            {} if not ml else {"least_ml": ml[0], "median_ml": float(np.median(ml)), "greatest_ml": ml[-1]}
        )
        rows.append({"name": row.name, "value": row.value, "code": code, "cases": len(ml), **sizes})
    return rows
