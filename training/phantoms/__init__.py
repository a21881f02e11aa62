"""Procedural phantoms: anatomy from signed distances, its CT, its fractures, and its DICOM series.

`PHANTOMS` is the table of models that `phantoms.model` of training.toml names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from operators.geometry.volume import CtVolume, LabelMap
from training.phantoms.anatomy import boneless_ct, pelvis_labels
from training.phantoms.ct import FIRST_VALUE, VALUES_OF_A_BONE, phantom_ct
from training.phantoms.rendering import PhantomCT
from training.phantoms.series import write_series
from training.phantoms.structures import BONES, Structure

__all__ = [
    "BONES", "DEMO", "PHANTOMS", "Phantom", "PhantomCT", "Structure", "boneless_ct", "pelvis_labels",
    "phantom_ct", "write_series",
]  # fmt: skip


@dataclass(frozen=True)
class Phantom:
    """One model: the functions that draw its label map, its CT and its boneless body.

    `structures` names the values of the label map, `bones` the values of each bone and its fragments in the
    CT's ground truth. `package` is the anatomy whose published numbering those values follow.
    """

    package: str
    labels: Callable[..., LabelMap]
    ct: Callable[..., PhantomCT]
    boneless: Callable[..., CtVolume]
    structures: Mapping[int, str]
    bones: Mapping[str, range]


PHANTOMS = {
    "pelvis": Phantom(
        "pelvis", pelvis_labels, phantom_ct, boneless_ct,
        {int(structure): structure.name.lower() for structure in Structure if structure},
        {
            structure.name.lower(): range(first, first + VALUES_OF_A_BONE)
            for structure, first in FIRST_VALUE.items()
        },
    ),
}  # fmt: skip
# The phantom of `osteon demo`
DEMO = PHANTOMS["pelvis"]
