"""Label values of the phantom's anatomy."""

from __future__ import annotations

from enum import IntEnum


class Structure(IntEnum):
    """Values of `pelvis_labels`; 1 to 6 are bones, the others surrounding tissue."""

    BACKGROUND = 0
    SACRUM = 1
    HIP_LEFT = 2
    HIP_RIGHT = 3
    FEMUR_LEFT = 4
    FEMUR_RIGHT = 5
    VERTEBRA = 6
    FAT = 7
    SKIN = 8
    MUSCLE = 9
    GLUTEAL = 10
    ILIOPSOAS = 11
    BLADDER = 12
    RECTUM = 13
    BOWEL = 14
    GAS = 15
    VESSEL = 16
    DISC = 17
    CARTILAGE = 18
    HAEMATOMA = 19


BONES = tuple(Structure(value) for value in range(1, 7))
