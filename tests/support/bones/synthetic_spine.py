"""A made spine and networks that know it: a column whose Hounsfield units encode the height along it.

spine = MadeSpine()
made = segmented(spine.ct(), SpineNetworks(spine))     # as the image path does, with the package of the spine

Heights are linear, so that every resampling keeps them; beside the column is flesh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import NetworkSpec
from operators.pipelines import several
from operators.segmentation.segmentation import Segmentation

Array = NDArray[np.float32]
SPINE = Path(__file__).parents[3] / "models" / "spine" / "package.toml"
# A bone, the space to the next, the bones at the ends, and half of the column's width, mm
BONE_MM, SPACE_MM, END_MM, HALF_MM = 20.0, 6.0, 40.0, 16.0
SPACING_MM, SIDE_VOXELS = 2.0, 40
HU_PER_MM, LOWEST_HU, FLESH_HU = 2.0, 200.0, 40.0
WINDOW_HU = (-1000.0, 3000.0)
USUAL = tuple(
    f"vertebra_{region}{n}" for region, count in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, count + 1)
)


@cache
def spine_package() -> CoarseToFinePackage:
    """Returns the package of the spine with larger voxels and smaller patches, so that it runs fast.

    Without conditioning channels, which its made networks do not read, and without measurements.
    """
    package = read_coarse_to_fine_package(SPINE)
    sizes = {
        "coarse": (4.0, 32),
        "fine": (2.0, 32),
        "instance": (2.0, 32),
        "level": (4.0, 16),
        "fracture": (2.0, 32),
    }
    specs: dict[str, Any] = {
        spec.name: replace(
            spec, spacing_mm=(sizes[spec.name][0],) * 3, patch=(sizes[spec.name][1],) * 3, window_hu=WINDOW_HU
        )
        for spec in package.networks
    }
    specs["fine"] = replace(specs["fine"], guide=())
    return replace(package, outline=None, measurements=(), **specs)


@dataclass(frozen=True)
class MadeSpine:
    """A spine of these levels from the top down, between a skull and a sacrum."""

    levels: tuple[str, ...] = USUAL

    @cached_property
    def places_mm(self) -> dict[str, tuple[float, float]]:
        """The lowest and highest point of each bone."""
        places, low = {"sacrum": (0.0, END_MM)}, END_MM + SPACE_MM
        for name in reversed(self.levels):
            places[name] = (low, low + BONE_MM)
            low += BONE_MM + SPACE_MM
        return places | {"skull": (low, low + END_MM)}

    @property
    def height_mm(self) -> float:
        """The height of all of it."""
        return self.places_mm["skull"][1]

    def ct(
        self,
        low_mm: float = -6.0,
        high_mm: float | None = None,
        slice_mm: float = SPACING_MM,
        sides: int = SIDE_VOXELS,
    ) -> CtVolume:
        """Returns a CT of what lies between two heights, axial slices from below."""
        top_mm = self.height_mm + 6.0 if high_mm is None else high_mm
        heights = np.arange(low_mm + slice_mm / 2, top_mm, slice_mm)
        across = np.abs((np.arange(sides) - (sides - 1) / 2) * SPACING_MM) < HALF_MM
        column = across[:, None] & across[None]
        hu = np.where(column[:, :, None], LOWEST_HU + HU_PER_MM * heights, FLESH_HU)
        affine = np.diag([SPACING_MM, SPACING_MM, slice_mm, 1.0])
        affine[:3, 3] = -SPACING_MM * (sides - 1) / 2, -SPACING_MM * (sides - 1) / 2, heights[0]
        return CtVolume(np.rint(hu).astype(np.int16), Grid(hu.shape, affine, "1.2.8"))

    def part(self, first: str, last: str, beyond_mm: float = SPACE_MM / 2, **how: Any) -> CtVolume:
        """Returns a CT from the top of one bone to the bottom of another."""
        low, high = self.places_mm[last][0] - beyond_mm, self.places_mm[first][1] + beyond_mm
        return self.ct(low, high, **how)


def turned(ct: CtVolume, order: tuple[int, int, int], reversed_axes: tuple[int, ...] = ()) -> CtVolume:
    """Returns the same body on an array whose axes have another order and direction."""
    hu: NDArray[np.int16] = ct.hu.transpose(order).astype(np.int16)
    affine = ct.grid.ijk_to_lps[:, [*order, 3]].copy()
    for axis in reversed_axes:
        hu = np.flip(hu, axis)
        affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    i, j, k = hu.shape
    return CtVolume(np.ascontiguousarray(hu), Grid((i, j, k), affine, ct.grid.frame_of_reference_uid))


@dataclass(frozen=True)
class Reading:
    """How the network of levels reads a made spine: scores of the true level, all levels off by `shift`."""

    score: float = 9.0
    shift: int = 0
    ribs: float = 4.0


SURE = Reading()


class SpineNetworks(Networks):
    """Networks of the package that decode heights; `unseen` are bones that the network for single bones does
    not outline.
    """

    def __init__(self, spine: MadeSpine, reading: Reading = SURE, unseen: tuple[str, ...] = ()) -> None:
        super().__init__(Device("torch"))
        self.places, self.reading, self.unseen = spine.places_mm, reading, unseen
        self.answers = {"instance": self.outline, "level": self.name, "fracture": self.intact}

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns a network with the answers of its kind."""
        low, high = spec.window_hu

        def run(patch: Array) -> Array:
            image = patch if patch.ndim == 3 else patch[0]
            hu = image * (high - low) + low
            heights_mm = np.where(hu >= LOWEST_HU - 60, (hu - LOWEST_HU) / HU_PER_MM, np.float32(np.nan))
            return self.answers.get(spec.name, self.anatomy)(heights_mm.astype(np.float32), patch, spec)

        return cast(Runtime, run)

    def rest(self) -> None:
        """Does nothing: there is no runtime."""

    def depth_mm(self, name: str, heights_mm: Array) -> Array:
        """Returns how deep voxels lie in a bone; negative outside it."""
        low, high = self.places[name]
        depth = np.minimum(heights_mm - low, high - heights_mm)
        return np.nan_to_num(depth, nan=-99.0).astype(np.float32)

    def anatomy(self, heights_mm: Array, patch: Array, spec: NetworkSpec) -> Array:
        """Returns logits of a network that knows the kinds of bones."""
        del patch
        found = np.full((len(spec.classes), *heights_mm.shape), -99.0, np.float32)
        for name in self.places:
            kind = spec.classes.index(name if name in spec.classes else "vertebra")
            found[kind] = np.maximum(found[kind], self.depth_mm(name, heights_mm))
        found[0] = -found[1:].max(axis=0)
        return found

    def outline(self, heights_mm: Array, patch: Array, spec: NetworkSpec) -> Array:
        """Returns logits of the highest bone in the patch that is not in memory."""
        del spec
        outlined = [name for name in self.places if name.startswith("vertebra") and name not in self.unseen]
        free = {name: (self.depth_mm(name, heights_mm) > 0) & (patch[1] < 0.5) for name in outlined}
        tops = {
            name: int(np.flatnonzero(mask.any(axis=(0, 1)))[-1]) for name, mask in free.items() if mask.any()
        }
        bone = free[max(tops, key=lambda name: tops[name])] if tops else np.zeros(heights_mm.shape, np.bool_)
        found = np.full((3, *heights_mm.shape), -5.0, np.float32)
        found[1][bone] = 5.0
        found[0] = -found[1]
        return found

    def name(self, heights_mm: Array, patch: Array, spec: NetworkSpec) -> Array:
        """Returns scores of levels, regions and ribs of the bone whose outline is given."""
        height_mm = float(np.nanmedian(heights_mm[patch[1] > 0.5]))
        levels = spec.classes[1:27]
        true = max(levels, key=lambda name: self.closeness(name, height_mm))
        read = levels[min(max(levels.index(true) + self.reading.shift, 0), len(levels) - 1)]
        scores = np.zeros(len(spec.classes), np.float32)
        scores[spec.classes.index(read)] = self.reading.score
        scores[spec.classes.index(f"region_{'CTL'.index(read[9])}")] = self.reading.score
        scores[-1] = self.reading.ribs * (1 if true[9] == "T" else -1)
        return scores

    def closeness(self, name: str, height_mm: float) -> float:
        """Returns how near a height is to the middle of a bone; levels that are not there are far away."""
        low, high = self.places.get(name, (-9e3, -9e3))
        return -abs(height_mm - (low + high) / 2)

    @staticmethod
    def intact(heights_mm: Array, patch: Array, spec: NetworkSpec) -> Array:
        """Returns logits of a network that sees no fracture."""
        del patch
        bone = np.isfinite(heights_mm)
        sides = (np.where(bone, -9.0, 9.0), np.where(bone, 9.0, -9.0), np.full(bone.shape, -9.0))
        return np.stack(sides[: len(spec.classes)]).astype(np.float32)


def segmented(
    ct: CtVolume, networks: SpineNetworks, package: CoarseToFinePackage | None = None
) -> Segmentation:
    """Returns what the image path makes of a CT, measured and flagged."""
    made = several.segment(ct, [package or spine_package()], networks, lambda *_: None)
    return flag_result(measure_segments(made, ct), ct)
