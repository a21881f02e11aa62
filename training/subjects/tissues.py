"""What a CT shows for each kind of tissue: ranges of Hounsfield units, wider than life.

Means are drawn from these ranges for each simulated CT. Sources: textbook ranges (fat -120..-60,
water 0, muscle 40..70, blood with contrast medium to 350, spongy bone 0..400 from osteoporosis to youth,
cortex 500..1900),
widened so that a network learns shape before brightness (SynthSeg, Billot et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True)
class Tissue:
    """Range of the mean in HU, and what else a CT may show in it.

    Structures with the same `drawn_with` are bright or dark together: one heart fills all vessels.
    """

    low_hu: float
    high_hu: float
    bone: bool = False
    may_hold_gas: bool = False
    may_hold_contrast: bool = False
    may_calcify: bool = False
    drawn_with: str = ""


FAT = Tissue(-120, -70)
MUSCLE = Tissue(25, 80)
BONE = Tissue(-20, 380, bone=True, drawn_with="bone")
BOWEL = Tissue(-20, 120, may_hold_gas=True, may_hold_contrast=True)
BLADDER = Tissue(-10, 30, may_hold_contrast=True)
ARTERY = Tissue(20, 450, may_calcify=True, drawn_with="arteries")
VEIN = Tissue(20, 250, drawn_with="veins")

TABLE: tuple[tuple[str, Tissue], ...] = (
    ("lung_*", Tissue(-950, -650)),
    ("trachea", Tissue(-1000, -900)),
    ("colon", Tissue(-80, 120, may_hold_gas=True, may_hold_contrast=True)),
    ("stomach", BOWEL),
    ("small_bowel", BOWEL),
    ("duodenum", BOWEL),
    ("urinary_bladder", BLADDER),
    ("bladder", BLADDER),
    ("aorta", ARTERY),
    ("*_artery_*", ARTERY),
    ("vessel", ARTERY),
    ("*_vein_*", VEIN),
    ("*_vena_*", VEIN),
    ("kidney_*", Tissue(20, 250, drawn_with="veins")),
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
    ("fat", FAT),
    ("skin", Tissue(-30, 60)),
    ("bowel", BOWEL),
    ("rectum", Tissue(-80, 80, may_hold_gas=True, may_hold_contrast=True)),
    ("gas", Tissue(-1000, -800)),
    ("cartilage", Tissue(50, 120)),
    ("disc*", Tissue(40, 130)),
)


def tissue_of(structure: str) -> Tissue:
    """The tissue of a named structure; muscle where the table has no row for it."""
    return next((tissue for pattern, tissue in TABLE if fnmatch(structure, pattern)), MUSCLE)
