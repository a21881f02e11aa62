"""Plans a training from its data: spacing, patches, features and steps, as a training.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tomlkit

from operators.importing.install import compact
from operators.packages.packages import NetworkSpec
from training.labelled_ct.case_facts import MeasuredCase
from training.labelled_ct.network_sizes import ARCHITECTURE, GB, Size, choose_size, patch_of
from training.subjects.labelled_cts import FINER

PLAN_FILE = "training.toml"


@dataclass(frozen=True)
class Effort:
    """How long a kind of device trains: steps for each case, the least and the most of them, the learning
    rate, and the largest voxels of a coarse network in mm.
    """

    steps_of_case: int
    least: int
    most: int
    learning_rate: float
    coarsest_mm: float


# Watched patches end a training earlier. Sides and neighbours are told by what lies around them: patches that
# a CPU can afford show most of a scan only at coarse voxels
EFFORTS = {"cuda": Effort(400, 2000, 20000, 2e-3, 4.0), "cpu": Effort(40, 800, 8000, 5e-3, 8.0)}
# Finer voxels cost time without a better outline, coarser ones lose thin bone
FINEST_MM, COARSEST_MM = 0.6, 2.5
# The coarse network sees about so many voxels of a scan along its longest side
COARSE_SIDE = 48
WINDOW_HU = (-200.0, 1300.0)
LOSS = "dice_ce"
READINGS, PATIENCE, FALL, PATCHES = 40, 10, 0.15, 16
HEAD = """\
# How {name} is trained: planned for {title}, {cases} cases of {patients} patients.
# Voxels of {spacing} mm in the median, {extent} mm; memory of the machine: {memory:.1f} GB ({device}).
# Change what you like and give the same command again; a network that began to train keeps its size.
"""


@dataclass(frozen=True)
class Machine:
    """What a training runs on: cpu or cuda, and the bytes of its memory."""

    device: str
    memory_bytes: int


def plan_text(
    name: str, title: str, cases: Sequence[MeasuredCase], names: Mapping[int, str], ignore: int | None,
    machine: Machine, start: Mapping[str, NetworkSpec],
) -> str:  # fmt: skip
    """Returns the training.toml of a data set's cases, whose label values have the classes `names`."""
    spacing, extent = (median_of(cases, what) for what in ("spacing_mm", "extent_mm"))
    head = HEAD.format(
        name=name,
        title=title,
        cases=len(cases),
        patients=len({case.patient for case in cases}),
        spacing=" x ".join(f"{mm:.3g}" for mm in spacing),
        extent=" x ".join(f"{mm:.0f}" for mm in extent),
        memory=machine.memory_bytes / GB,
        device=machine.device,
    )
    table = plan_table(cases, names, ignore, machine, start)
    return head + "\n" + tomlkit.dumps(table | {"labelled_cts": compact(table["labelled_cts"])})


def plan_table(
    cases: Sequence[MeasuredCase], names: Mapping[int, str], ignore: int | None,
    machine: Machine, start: Mapping[str, NetworkSpec],
) -> dict[str, Any]:  # fmt: skip
    """Returns the content of the plan; a network that starts from another has that one's features."""
    classes = list(dict.fromkeys(names[value] for value in sorted(names)))
    spacing, extent = (median_of(cases, what) for what in ("spacing_mm", "extent_mm"))
    fine_mm = round(float(np.clip(prod(spacing) ** (1 / 3), FINEST_MM, COARSEST_MM)), 2)
    effort = EFFORTS[machine.device]
    look_mm = round(max(min(max(extent) / COARSE_SIDE, effort.coarsest_mm), 2 * fine_mm), 2)
    held = data_bytes(cases, fine_mm)
    sizes = [
        choose_size(machine.device, machine.memory_bytes, len(classes) + 1, inputs, held)
        for inputs in (1, 1 + len(classes))
    ]
    steps = int(np.clip(effort.steps_of_case * len(cases), effort.least, effort.most))
    trained = {"steps": steps, "learning_rate": effort.learning_rate, "loss": LOSS}
    row: dict[str, Any] = {"folder": ".", "names": {str(value): name for value, name in names.items()}}
    return {
        "subjects": "labelled_ct",
        "classes": {name: [name] for name in classes},
        "labelled_cts": [row if ignore is None else row | {"ignore": ignore}],
        "validation": {
            "patches": PATCHES, "every": steps // READINGS, "patience": PATIENCE, "fall": FALL,
        },
        "networks": {
            "coarse": network_table(sizes[0], look_mm, extent) | trained
            | {"anywhere": 0.3, **features_of(start.get("coarse"))},
            "fine": network_table(sizes[1], fine_mm, extent) | trained
            | {"guide": classes, **features_of(start.get("fine"))},
        },
    }  # fmt: skip


def network_table(size: Size, spacing_mm: float, extent_mm: Sequence[float]) -> dict[str, Any]:
    """Returns the plan of one network, but for how long it is trained."""
    return {
        "kind": "anatomy",
        "spacing_mm": spacing_mm,
        "patch": list(patch_of(size, extent_mm, spacing_mm)),
        "window_hu": list(WINDOW_HU),
        "architecture": ARCHITECTURE,
        "filters": list(size.filters),
        "batch": size.batch,
    }


def features_of(start: NetworkSpec | None) -> dict[str, Any]:
    """Returns what a network must have in common with the one whose weights it starts from."""
    if start is None:
        return {}
    return {"architecture": start.architecture, "filters": start.arguments.get("filters")}


def median_of(cases: Sequence[MeasuredCase], what: str) -> tuple[float, ...]:
    """Returns the median of a value that a case has along each axis."""
    return tuple(np.median([getattr(case, what) for case in cases], axis=0).tolist())


def data_bytes(cases: Sequence[MeasuredCase], spacing_mm: float) -> int:
    """Returns the memory of all cases for the process that draws patches of them: HU and classes."""
    voxel_mm3 = (FINER * spacing_mm) ** 3
    return int(sum(3 * prod(case.extent_mm) / voxel_mm3 for case in cases))
