"""[[labels]] of a package.toml: the delivered structures, and how each kind of package detects them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from operators.package_files.tables import Table
from operators.packages.long_bones import Colour
from operators.packages.packages import Detection, Label
from operators.packages.structures import (
    ANATOMY,
    Code,
    Side,
    Structure,
    Structures,
    pale_colour,
    structure_named,
)

# What a label may say otherwise than structures.toml
OF_KNOWN = ("name", "rgb", "plausible_ml", "plausible_mm")


class LabelTable(Table):
    """[[labels]]: a delivered structure, from structures.toml or with its own code."""

    name: str = ""
    """Its name in results; by default that of the structure with its side."""
    structure: str = ""
    """A structure listed in structures.toml."""
    side: Side | None = None
    """left or right, for a paired structure."""
    meaning: str = ""
    """Display name of a label without `structure`; the next five keys describe such a label too."""
    category: Code = ANATOMY
    """PS3.16 CID 7150."""
    type: Code | None = None
    """The structure's code (SNOMED CT)."""
    laterality: Code | None = None
    """PS3.16 CID 244."""
    rgb: Colour | None = None
    """Its RGB colour, 0 to 255."""
    plausible_ml: tuple[float, ...] = ()
    """Plausible range of the volume of the whole structure."""
    plausible_mm: tuple[float, ...] = ()
    """Plausible range of the greatest diameter of the whole structure."""

    def identity(self, structures: Structures) -> Structure:
        """Returns the structure. Raises ValueError if it is neither listed nor described."""
        if self.structure:
            own = {key: value for key in OF_KNOWN if (value := getattr(self, key))}
            return replace(structure_named(structures, self.structure, self.side), **own)
        if not (self.name and self.meaning and self.type):
            raise ValueError(f"labels.{self.name or '?'}: expected a structure, or a name, meaning and type")
        return Structure(
            self.name,
            self.meaning,
            self.category,
            self.type,
            self.laterality,
            self.rgb or pale_colour(self.name),
            self.plausible_ml,
            self.plausible_mm,
        )


class FoundLabelTable(LabelTable):
    """[[labels]] of the coarse-to-fine pipeline."""

    first_value: int
    """The label value of the intact bone, or of its first fragment."""
    last_value: int
    """The label value of its last fragment."""
    coarse_class: str
    """The class of the coarse network that detects it."""
    fine_class: str
    """The class of the fine network that outlines it."""
    minimum_ml: float
    """Least volume; a structure with less counts as not found."""
    instances: Literal["by_class", "by_side", "by_bone", "iterative"] | None = None
    """Which voxels of its classes it is; by_side where it has a side, else by_class, if left out."""

    def label(self, structures: Structures) -> Label:
        """Returns the label; one of a pair, detected by_bone without a side, is for bones of unknown side."""
        structure = self.identity(structures)
        if self.instances == "by_bone" and structure.laterality is None:
            structure = replace(structure, meaning=f"{structure.meaning} (side unknown)")
        instances = self.instances or ("by_class" if structure.laterality is None else "by_side")
        detection = Detection(self.coarse_class, self.fine_class, self.minimum_ml, instances)
        return Label(structure, self.first_value, self.last_value, detection)


class WrittenLabelTable(LabelTable):
    """[[labels]] of a network whose classes are the labels."""

    value: int
    """The value that the network writes."""

    def label(self, structures: Structures) -> Label:
        """Returns the label with the same value."""
        return Label(self.identity(structures), self.value, self.value)


class SplitLabelTable(WrittenLabelTable):
    """[[labels]] of an anatomy network whose bones a second network splits."""

    fragments: tuple[int, int]
    """First and last label value of its fragments; if they are equal, it is not split."""

    def label(self, structures: Structures) -> Label:
        """Returns the label with the values of its fragments."""
        first, last = self.fragments
        return Label(self.identity(structures), first, last)
