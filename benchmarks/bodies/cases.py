"""The cases, read from cases.toml, and the simulated CTs of bodies."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from benchmarks.accuracy.cases.degradations import stored_hu, thick_slices
from benchmarks.accuracy.cases.scan import Scan, scan_of
from operators.geometry.volume import Grid
from operators.packages.toml_files import validated
from training.recipe import Recipe, read_recipe
from training.recipe_file import BodyTable
from training.row_tables import Table
from training.sampling import Pose
from training.simulate.simulated_ct import Added, simulate
from training.simulate.sources import Sources
from training.subjects.posed_bones import posed_subject
from training.subjects.subjects import Subject, label_map_body, label_map_subject

# Soft tissue around the bones in the field of view
MARGIN_MM = 30.0
# Bodies lie as they were posed
STILL = Pose(rotation_deg=0.0, scale=0.0, bend_mm=0.0)
SIDES = ("left", "right")
# Seeds here are pairs of numbers, which differ from training's single numbers (numpy's SeedSequence)
SEED = 911


class SimulatedCase(Table):
    """One simulated CT: which part of the bones' height it shows, and its voxels."""

    name: str
    seed: int
    part: tuple[float, float] = (0.0, 1.0)
    spacing_mm: float = 1.0
    slices: int = 1


class BodyCase(SimulatedCase):
    """[[bodies]]: one simulated CT."""

    around: tuple[str, ...]
    posed: str = ""
    subjects: tuple[str, ...] = ()
    label_map: str = ""
    names: str = ""
    remark: str = ""


class RealCase(Table):
    """[[real]]: a real CT, and the structures that it shows."""

    path: str
    shows: tuple[str, ...]
    remark: str = ""
    """What is wrong in its picture, seen by eye."""


class Cases(Table):
    """cases.toml."""

    recipe: str
    packages: tuple[str, ...]
    scored: tuple[str, ...]
    sockets: dict[str, str]
    bodies: tuple[BodyCase, ...]
    real: tuple[RealCase, ...]

    def classes(self, recipe: Recipe) -> dict[str, list[str]]:
        """Returns the classes of the ground truth, from 1: the recipe's, some of them with their side."""
        sided = {*self.scored, *self.sockets.values()}
        return {
            own: [own] if name in sided else list(patterns)
            for name, patterns in recipe.sources.classes.items()
            for own in ([f"{name}_{side}" for side in SIDES] if name in sided else [name])
        }


def read_cases() -> Cases:
    """Returns the content of cases.toml."""
    table = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))
    return validated(TypeAdapter(Cases), table)


@dataclass(frozen=True)
class Simulation:
    """What bodies are made of: the recipe that training used, the data folder, and a cache."""

    cases: Cases
    recipe: Recipe
    data: Path
    cache: Path

    @classmethod
    def of(cls, cases: Cases, models: Path, data: Path, cache: Path) -> Simulation:
        """Returns the simulation of the cases' recipe."""
        return cls(cases, read_recipe(models / cases.recipe / "training.toml"), data, cache)

    @property
    def classes(self) -> dict[str, list[str]]:
        """The classes of the ground truth."""
        return self.cases.classes(self.recipe)

    def scan(self, case: BodyCase) -> Scan:
        """Returns the CT of a body and its ground truth."""
        subject = Sources(self.recipe, self.data, self.cache).kept(
            f"body {case} {self.classes}", lambda: self.subject(case)
        )
        return simulated_scan(case, subject, list(self.classes), case.around)

    def subject(self, case: BodyCase) -> Subject:
        """Draws the body of a case."""
        classes = self.classes
        if case.label_map:
            table = BodyTable(path=case.label_map, names=case.names)
            return label_map_subject(self.data, table, classes)
        (row,) = (row for row in self.recipe.sources.posed_bones if row.name == case.posed)
        own = row.model_copy(update={"subjects": case.subjects or row.subjects, "mixed": 1})
        donor = label_map_body(self.data, own.around) if own.around else None
        return posed_subject(own, self.data, SEED + case.seed, classes, donor)


def simulated_scan(
    case: SimulatedCase, subject: Subject, names: Sequence[str], around: Sequence[str]
) -> Scan:
    """Returns the CT of a subject around some of its classes (patterns), whose names are `names`."""
    shown = [n for n, name in enumerate(names, start=1) if any(fnmatch(name, one) for one in around)]
    low, high = field_of_view(case, subject, shown)
    size = np.ceil((high - low) * subject.spacing_mm / case.spacing_mm / 2).astype(int) * 2
    rng = np.random.default_rng((SEED, case.seed))
    shape = tuple(size.tolist())
    sample = simulate(rng, subject, (low + high) / 2, shape, case.spacing_mm, STILL, Added(limbs=False))
    grid = Grid(shape, np.diag([case.spacing_mm] * 3 + [1.0]), "1.2.3")
    truth = np.where(sample.target <= len(names), sample.target, 0).astype(np.uint8)
    made = scan_of(stored_hu(sample.hu), truth, grid)
    return thick_slices(made, case.slices) if case.slices > 1 else made


def field_of_view(
    case: SimulatedCase, subject: Subject, shown: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the least and the greatest source index (3,) of a scan around the classes `shown`."""
    voxels = np.argwhere(np.isin(subject.targets, shown))
    low, high = voxels.min(axis=0).astype(float), voxels.max(axis=0).astype(float)
    extent = high[2] - low[2]
    low[2], high[2] = low[2] + case.part[0] * extent, low[2] + case.part[1] * extent
    margin = MARGIN_MM / subject.spacing_mm
    # A cut end has no margin beyond the cut
    return low - margin * [1, 1, case.part[0] == 0], high + margin * [1, 1, case.part[1] == 1]
