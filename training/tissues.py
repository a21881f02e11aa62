"""What a CT shows for each kind of tissue: ranges of Hounsfield units, wider than life.

Means are drawn from these ranges for each simulated CT. Sources: textbook ranges (fat -120..-60,
water 0, muscle 40..70, blood with contrast medium to 350, spongy bone 100..400, cortex 500..1900),
widened so that a network learns shape before brightness (SynthSeg, Billot et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True)
class Tissue:
    """Range of the mean in HU, and whether parts of it may be filled with gas."""

    low_hu: float
    high_hu: float
    bone: bool = False
    may_hold_gas: bool = False


FAT = Tissue(-120, -70)
MUSCLE = Tissue(25, 80)
BONE = Tissue(100, 350, bone=True)

TABLE: tuple[tuple[str, Tissue], ...] = (
    ("lung_*", Tissue(-950, -650)),
    ("trachea", Tissue(-1000, -900)),
    ("colon", Tissue(-80, 120, may_hold_gas=True)),
    ("stomach", Tissue(-50, 150, may_hold_gas=True)),
    ("small_bowel", Tissue(-20, 200, may_hold_gas=True)),
    ("duodenum", Tissue(-20, 150, may_hold_gas=True)),
    ("urinary_bladder", Tissue(-10, 350)),
    ("aorta", Tissue(20, 400)),
    ("*_artery_*", Tissue(20, 400)),
    ("*_vein_*", Tissue(20, 250)),
    ("*_vena_*", Tissue(20, 250)),
    ("kidney_*", Tissue(20, 250)),
    ("costal_cartilages", Tissue(50, 200)),
    ("spinal_cord", Tissue(0, 70)),
    ("brain", Tissue(20, 60)),
    ("sacrum", BONE),
    ("hip_*", BONE),
    ("femur_*", BONE),
    ("humerus_*", BONE),
    ("scapula_*", BONE),
    ("clavicula_*", BONE),
    ("rib_*", BONE),
    ("vertebra*", BONE),
    ("sternum", BONE),
    ("skull", BONE),
    ("table", Tissue(-700, 200)),
    ("fat", FAT),
    ("skin", Tissue(-30, 60)),
    ("bowel", Tissue(-20, 200, may_hold_gas=True)),
    ("rectum", Tissue(-80, 80, may_hold_gas=True)),
    ("disc*", Tissue(40, 130)),
)


def tissue_of(structure: str) -> Tissue:
    """The tissue of a named structure; muscle where the table has no row for it."""
    return next((tissue for pattern, tissue in TABLE if fnmatch(structure, pattern)), MUSCLE)
