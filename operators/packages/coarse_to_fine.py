"""A package of the coarse-to-fine pipeline, and its rules as package.toml states them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field, with_config

from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.iterative import IterativeRules
from operators.packages.operating_points import SPECIFIC
from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.toml_files import STRICT


@with_config(STRICT)
@dataclass(frozen=True)
class FragmentRules:
    """How bones are split into fragments; `strategy` is a row of FRAGMENTS (`operators.fragments.fragments`).

    `fracture_logit` gives the log-odds that a fracture separates two pieces: a constant, and
    factors of the mean contact over their face, of the decimal logarithm of the smaller piece's
    volume (mm3), and of that of the face (mm2). `seed_probability` of contact separates watershed basins.
    """

    strategy: str
    minimum_mm3: float
    seed_probability: float
    fracture_logit: Annotated[tuple[float, ...], Field(min_length=4, max_length=4)]


@with_config(STRICT)
@dataclass(frozen=True)
class OutlineRules:
    """Where a bone's outline lies: at the share `edge` (0 to 1) from soft tissue's HU to the cortex's."""

    edge: Annotated[float, Field(gt=0, lt=1)]


@with_config(STRICT)
@dataclass(frozen=True)
class BallJoint:
    """A ball joint: the fine network's classes of the `head` and of its `socket`.

    Socket voxels of the network inside the sphere of the head are given to the head, in scans whose slices
    are more than `gap_hidden_mm` apart and so hide the gap between the two. `radius_mm` is the least and the
    greatest radius that the head can have.
    """

    head: str
    socket: str
    radius_mm: tuple[float, float]
    gap_hidden_mm: float

    def is_hidden_in(self, spacing_mm: tuple[float, float, float]) -> bool:
        """Returns whether voxels of that spacing hide the gap."""
        return max(spacing_mm) > self.gap_hidden_mm


@with_config(STRICT)
@dataclass(frozen=True)
class SideRules:
    """Classes of the coarse network from which sides are determined, as it does not distinguish them.

    `middle` lie on the midline; `lateral` lie farther out than the paired bones. Anything wider than
    `widest_mm` from side to side is a pair, not one bone: the default is for hip bones, of which the widest
    measured was 154 mm.
    """

    middle: tuple[str, ...] = ()
    lateral: tuple[str, ...] = ()
    widest_mm: float = 180.0


@with_config(STRICT)
@dataclass(frozen=True)
class FindRules:
    """Which of the coarse network's findings are the anatomy; `keep` is a row of FINDERS.

    `keep` = "largest": the greatest group of pieces less than 25 mm apart, for bones that touch each other;
    "all": every group as large as the smallest bone, for bones that lie apart.
    """

    keep: str = "largest"


@dataclass(frozen=True)
class CoarseToFinePackage(ModelPackage):
    """One anatomy in the coarse-to-fine pipeline: bones found, outlined, split into fragments.

    Bones in a row are outlined one by one by the network `instance` and the rules `iterative`; the network
    `level` tells their levels.
    """

    kind: ClassVar[str] = "coarse_to_fine"

    coarse: NetworkSpec
    fine: NetworkSpec
    fracture: NetworkSpec
    fragments: FragmentRules
    sides: SideRules = SideRules()
    find: FindRules = FindRules()
    ball_joints: tuple[BallJoint, ...] = ()
    confidence: Confidence = UNCALIBRATED
    outline: OutlineRules | None = None
    operating_point: str = field(default=SPECIFIC, kw_only=True)
    instance: NetworkSpec | None = field(default=None, kw_only=True)
    level: NetworkSpec | None = field(default=None, kw_only=True)
    iterative: IterativeRules | None = field(default=None, kw_only=True)

    @property
    def least_probability(self) -> float:
        """The least probability with which a bone is shown as fractured."""
        return self.confidence.least_probability(self.operating_point)

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        of_rows = (spec for spec in (self.instance, self.level) if spec is not None)
        return self.coarse, self.fine, *of_rows, self.fracture
